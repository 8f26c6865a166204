-- The one pod of an attempt, written once. A token that is bound to it stands for the attempt while that lives.
create table attempt_pods (
    run text not null references runs (id) on delete cascade,
    attempt bigint not null,
    runner text not null,
    trust_record text not null,
    namespace text not null,
    name text not null,
    uid text not null,
    service_account text not null,
    bound_at bigint not null,
    primary key (run, attempt)
);
create unique index attempt_pods_uid on attempt_pods (trust_record, uid);

-- What happened to an attempt outside its steps, as its runner saw it: images that can't be pulled, quotas, memory.
create table attempt_events (
    run text not null references runs (id) on delete cascade,
    attempt bigint not null,
    event_key text not null,
    at bigint not null,
    reason text not null,
    message text not null,
    primary key (run, attempt, event_key)
);
