-- An admin key that was removed: the host that has its file still must not register it again at its next start.
create table retired_admin_keys (
    client_id text primary key,
    retired_at bigint not null
);
