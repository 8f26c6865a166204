-- A token that waits for the word of its cluster's API server: asked by one replica, handed to the cluster's runner by another. It is encrypted with a key outside
-- the database, and the row goes with the answer.
create table token_reviews (
    id text primary key,
    record text not null references trust_records (id) on delete cascade,
    token text not null,
    audiences text not null,
    asked_at bigint not null,
    until bigint not null,
    answer text
);
create index token_reviews_waiting on token_reviews (record, asked_at) where answer is null;
