-- A registered cluster; its trust record has the same id.
create table clusters (
    id text primary key,
    workspace text not null references workspaces (id),
    slug text not null,
    spec text not null,
    -- The report of the trial that it passed.
    status text not null,
    version bigint not null,
    created_at bigint not null,
    updated_at bigint not null
);
create unique index clusters_slug on clusters (workspace, slug);

-- What somebody who administers only the cluster asks to register. Gone when approved or expired.
create table cluster_requests (
    -- SHA-256 of the code.
    code text primary key,
    spec text not null,
    report text not null,
    created_at bigint not null,
    expires_at bigint not null
);
create index cluster_requests_expiry on cluster_requests (expires_at);
