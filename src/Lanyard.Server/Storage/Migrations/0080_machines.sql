-- scopes: JSON list in the order in which they are searched. A machine is dead once it has ended or expired; the row stays for the record.
create table machines (
    id text not null primary key,
    workspace text not null references workspaces (id),
    runner text,
    repository text,
    ref text,
    scopes text not null,
    created_by text not null,
    created bigint not null,
    expires bigint not null,
    ended bigint
);

create index machines_workspace on machines (workspace, id);
