-- A runner's workspace is '' when it is shared. Known by (trust record, subject), or by the thumbprint of its own key.
create table runners (
    id text not null primary key,
    workspace text not null,
    slug text not null,
    spec text not null,
    trust_record text,
    subject text,
    key_thumbprint text unique,
    public_jwk text,
    paused boolean not null,
    version bigint not null,
    created bigint not null,
    updated bigint not null,
    unique (workspace, slug),
    unique (trust_record, subject)
);

create table runner_collections (
    runner text not null references runners (id) on delete cascade,
    collection text not null,
    workspace text not null,
    name text not null,
    weight bigint not null,
    position bigint not null,
    primary key (runner, collection)
);

create index runner_collections_collection on runner_collections (collection);

-- One session a runner: a newer one replaces the older.
create table runner_sessions (
    runner text not null primary key references runners (id) on delete cascade,
    session text not null,
    nonce text not null,
    version text not null,
    concurrency bigint not null,
    labels text not null,
    executors text not null,
    sandboxed boolean not null,
    started bigint not null,
    last_seen bigint not null,
    reconciled boolean not null
);

-- Host keys that ask to become a runner; they expire.
create table runner_requests (
    fingerprint text not null primary key,
    public_jwk text not null,
    name text not null,
    hostname text not null,
    requested bigint not null,
    expires bigint not null
);

create index runner_requests_expires on runner_requests (expires);
