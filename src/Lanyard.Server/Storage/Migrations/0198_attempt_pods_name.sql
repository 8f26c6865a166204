-- A pod is told by its uid and by its name, which is its attempt's: the name was not looked at, and whoever named a uid first kept everybody else from it.
delete from attempt_pods
where substr(name, 1, length(run) + length(cast(attempt as text)) + 2) <> replace(run, '_', '-') || '-' || cast(attempt as text) || '-';
drop index attempt_pods_uid;
create index attempt_pods_uid on attempt_pods (trust_record, uid);
