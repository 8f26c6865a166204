-- A runner whose proof is a platform's identity: the trust policy that a token of it must match. One runner a policy.
alter table runners add column policy text;
create unique index runners_policy on runners (policy);
