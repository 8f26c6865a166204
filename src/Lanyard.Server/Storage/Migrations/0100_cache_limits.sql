-- pull: written to a pull request's scope, and evicted before others. read_until: until then nobody takes its bytes away, because they may be read.
-- producer_…: who wrote it, beside subject; '' where it is not known. reason: why it was quarantined. States now too: quarantined, gone.
alter table cache_entries add column pull boolean not null default false;
alter table cache_entries add column read_until bigint not null default 0;
alter table cache_entries add column producer_ref text not null default '';
alter table cache_entries add column producer_workflow text not null default '';
alter table cache_entries add column producer_actor text not null default '';
alter table cache_entries add column producer_token text not null default '';
alter table cache_entries add column reason text;

create index cache_entries_repository on cache_entries (workspace, repository, pull, used_at, size) where state = 'ready';
create index cache_entries_workspace on cache_entries (workspace, pull, used_at) where state = 'ready';
create index cache_entries_used on cache_entries (used_at) where state = 'ready';
create index cache_entries_out on cache_entries (read_until) where state in ('gone', 'damaged');
create index cache_entries_created on cache_entries (workspace, repository, created);

-- Limits and read rules of a workspace.
create table cache_settings (
    workspace text not null primary key references workspaces (id),
    version bigint not null,
    updated bigint not null,
    spec text not null
);
