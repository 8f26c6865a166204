-- How often, and when last, identity tokens were made by a definition's subject template for an audience: it tells when an old template is unused.
create table subject_uses (
    definition text not null references definitions (id) on delete cascade,
    audience text not null,
    template text not null,
    tokens bigint not null,
    last_used bigint not null,
    primary key (definition, audience, template)
);
