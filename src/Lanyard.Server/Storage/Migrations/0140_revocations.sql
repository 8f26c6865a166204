-- What is not taken any more although policies and issuers stand: a principal, a key, a token.
create table revocations (
    id text primary key,
    workspace text,
    kind text not null,
    value text not null,
    reason text,
    created_at bigint not null,
    until bigint
);
