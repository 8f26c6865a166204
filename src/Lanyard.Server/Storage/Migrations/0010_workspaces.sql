create table workspaces (
    id text not null primary key,
    slug text not null unique,
    version bigint not null,
    created bigint not null,
    updated bigint not null,
    spec text not null
);

-- A workspace's slug is part of its issuer's URL: whoever got it again would be believed in the old one's place.
create table retired_workspaces (
    slug text not null primary key,
    id text not null,
    retired bigint not null
);

create table collections (
    id text not null primary key,
    workspace text not null references workspaces (id),
    slug text not null,
    version bigint not null,
    created bigint not null,
    updated bigint not null,
    spec text not null,
    unique (workspace, slug)
);

create table definitions (
    id text not null primary key,
    workspace text not null references workspaces (id),
    collection text not null references collections (id),
    slug text not null,
    version bigint not null,
    created bigint not null,
    updated bigint not null,
    spec text not null,
    unique (collection, slug)
);

create index definitions_workspace on definitions (workspace);
