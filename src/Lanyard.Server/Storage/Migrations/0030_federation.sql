-- A trust record: one believed issuer with a key set of its own (a trusted issuer, or a cluster).
create table trust_records (
    id text primary key,
    -- Null: of the instance.
    workspace text,
    kind text not null check (kind in ('issuer', 'cluster')),
    slug text not null,
    -- The exact iss; several records may share it.
    issuer text not null,
    spec text not null,
    version bigint not null,
    created_at bigint not null,
    updated_at bigint not null
);
create unique index trust_records_slug on trust_records (coalesce(workspace, ''), kind, slug);

create table key_sets (
    record text primary key references trust_records (id) on delete cascade,
    jwks text not null,
    -- A pushed set that waits for a token signed by one of its keys (or for an admin's approval).
    pending text,
    fetched_at bigint not null
);

create table trust_policies (
    id text primary key,
    workspace text,
    collection text,
    slug text not null,
    spec text not null,
    version bigint not null,
    created_at bigint not null,
    updated_at bigint not null
);
create unique index trust_policies_slug on trust_policies (coalesce(workspace, ''), slug);

-- Public keys of administrators: a client assertion signed by one is an admin of the instance.
create table admin_keys (
    client_id text primary key,
    jwk text not null,
    host text not null,
    created_at bigint not null
);

-- Assertions and other one-time tokens that have been used; kept until they would be expired anyway.
create table used_tokens (
    token text primary key,
    until bigint not null
);
create index used_tokens_until on used_tokens (until);

-- Tokens of ours that were revoked, by jti.
create table revoked_tokens (
    jti text primary key,
    until bigint not null
);
create index revoked_tokens_until on revoked_tokens (until);
