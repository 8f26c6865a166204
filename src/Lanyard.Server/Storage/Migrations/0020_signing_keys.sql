create table signing_keys (
    kid text primary key,
    -- A workspace's id, or 'instance'.
    owner text not null,
    algorithm text not null,
    state text not null check (state in ('next', 'active', 'retired')),
    -- base64 of nonce, tag and ciphertext (AES-256-GCM, bound to owner and kid) over PKCS#8.
    private_key text not null,
    public_key text not null,
    published_at bigint not null,
    active_at bigint,
    retired_at bigint
);

-- Two replicas that make a key at once: one wins, the other takes the winner's.
create unique index signing_keys_one_active on signing_keys (owner, algorithm) where state = 'active';
create unique index signing_keys_one_next on signing_keys (owner, algorithm) where state = 'next';
create index signing_keys_owner on signing_keys (owner);
