-- One chain a server process; the hash of an event covers the event and the hash before it.
create table audit_chains (
    id text not null primary key,
    started bigint not null
);

-- Ids sort by time, within a process in the order of the chain.
create table audit_events (
    chain text not null references audit_chains (id),
    seq bigint not null,
    id text not null,
    action text not null,
    decision text not null,
    workspace text,
    collection text,
    principal text,
    previous_hash text not null,
    hash text not null,
    event text not null,
    primary key (chain, seq)
);

create unique index audit_events_id on audit_events (id);
create index audit_events_workspace on audit_events (workspace, id) where workspace is not null;

-- What must have been reached at a moment: a chain cut short afterwards shows.
create table audit_checkpoints (
    chain text not null references audit_chains (id),
    seq bigint not null,
    at bigint not null,
    hash text not null,
    primary key (chain, seq)
);
