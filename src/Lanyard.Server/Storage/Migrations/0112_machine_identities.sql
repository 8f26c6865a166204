-- Which host with an identity of its platform may have a machine's token without one being copied to it.
create table machine_identities (
    id text not null primary key,
    workspace text not null references workspaces (id),
    slug text not null,
    version bigint not null,
    created bigint not null,
    updated bigint not null,
    spec text not null,
    unique (workspace, slug)
);

-- lifetime: seconds, by which a renewal moves the end. last_seen: when the runtime API last knew it, to about half a minute; 0: never.
alter table machines add column lifetime bigint not null default 0;
alter table machines add column last_seen bigint not null default 0;
