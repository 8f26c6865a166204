-- Runs that plan, wait for a human and apply. flow: null, or what follows the plan (approve, auto, only).
alter table runs add column flow text;
alter table runs add column held boolean not null default false;
alter table runs add column plan_summary text;
create index runs_held on runs (collection) where held;

-- What a run has planned, encrypted: configuration, lock file of providers, plan.
create table plans (
    run text not null primary key references runs (id) on delete cascade,
    attempt bigint not null,
    box bytea not null,
    created_at bigint not null
);

-- States of infrastructure, encrypted; the last versions of each.
create table states (
    collection text not null,
    name text not null,
    version bigint not null,
    box bytea not null,
    bytes bigint not null,
    run text not null,
    attempt bigint not null,
    created_at bigint not null,
    primary key (collection, name, version)
);

create table state_locks (
    collection text not null,
    name text not null,
    lock_id text not null,
    info text not null,
    run text not null,
    attempt bigint not null,
    phase text not null,
    locked_at bigint not null,
    primary key (collection, name)
);
