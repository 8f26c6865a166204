-- Why a runner takes no run although it has a free place, as its last poll said: its disk is full.
alter table runner_sessions add column no_room text;
