-- Who becomes what on a cluster: a document that a cluster proxy reads.
create table access_entries (
    id text primary key,
    workspace text not null references workspaces (id),
    slug text not null,
    spec text not null,
    version bigint not null,
    created_at bigint not null,
    updated_at bigint not null
);
create unique index access_entries_slug on access_entries (workspace, slug);
