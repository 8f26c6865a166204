-- How many runs were started under a root (a run or machine that nobody started by the runtime API): in all, and in the present minute (Unix minutes).
create table operation_roots (
    root text not null primary key,
    total bigint not null,
    minute bigint not null,
    in_minute bigint not null,
    updated bigint not null
);

create index operation_roots_updated on operation_roots (updated);

-- JSON list of what a machine may do to runs; null: nothing.
alter table machines add column operations text;
