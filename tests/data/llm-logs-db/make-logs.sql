create table _llm_migrations (name text primary key, applied_at text);
create table conversations (id text primary key, name text, model text);
create table responses (id text primary key, model text, prompt text, system text, prompt_json text,
  options_json text, response text, response_json text, conversation_id text, duration_ms integer,
  datetime_utc text, input_tokens integer, output_tokens integer, token_details text, reasoning text);
create table tools (id integer primary key, name text);
create table tool_calls (id integer primary key, response_id text, name text, arguments text, tool_call_id text);
create table tool_results (id integer primary key, response_id text, name text, output text, tool_call_id text, exception text);
create table attachments (id text primary key, type text, path text, url text, content blob);
create table messages (hash text primary key, parent_hash text, role text, provider_metadata text);
create table parts (id integer primary key, message_hash text, position integer, type text, tool_name text, text text, payload text);
create table part_attachments (part_id integer, attachment_id text, "order" integer);
create table threads (id text primary key, name text, tip_message_hash text, forked_from text, datetime_utc text);
create table turns (id text primary key, thread_id text, parent_message_hash text, tip_message_hash text,
  model text, resolved_model text, options_json text, input_tokens integer, output_tokens integer,
  token_details text, duration_ms integer, datetime_utc text);
create table turn_tools (turn_id text, tool_id integer);
insert into tools values (1, 'add');
insert into attachments values ('img', 'image/png', null, null, x'89504e47');
insert into messages values
  ('s', null, 'system', null), ('u1', 's', 'user', null), ('a1', 'u1', 'assistant', '{"k": 1}'),
  ('t1', 'a1', 'tool', null), ('a2', 't1', 'assistant', null), ('u2', 'a2', 'user', null),
  ('a3', 'u2', 'assistant', null), ('u3', 'a2', 'user', null), ('a4', 'u3', 'assistant', null),
  ('x', null, 'user', null);
insert into parts values
  (1, 's', 0, 'text', null, 'Be terse', null), (2, 'u1', 0, 'text', null, 'Add', null),
  (3, 'u1', 1, 'attachment', null, null, null), (4, 'a1', 0, 'reasoning', null, 'Hm', null),
  (5, 'a1', 1, 'tool_call', 'add', null, '{"name": "add", "arguments": {"a": 2}, "tool_call_id": "c1"}'),
  (6, 'a1', 2, 'tool_call', 'add', null, '{"name": "add", "arguments": {}, "tool_call_id": "c2"}'),
  (7, 't1', 0, 'tool_result', 'add', null, '{"name": "add", "output": "2", "tool_call_id": "c1"}'),
  (8, 't1', 1, 'tool_result', 'add', null, '{"name": "add", "output": "", "exception": "KeyError", "tool_call_id": "c2"}'),
  (9, 'a2', 0, 'text', null, 'Two', null), (10, 'u2', 0, 'text', null, 'Thanks', null),
  (11, 'a3', 0, 'text', null, 'Sure', null), (12, 'u3', 0, 'text', null, 'Other', null),
  (13, 'a4', 0, 'text', null, 'Fine', null), (14, 'a3', 1, 'text', null, 'thing', null),
  (15, 'x', 0, 'text', null, 'Nobody', null);
insert into part_attachments values (3, 'img', 0);
insert into threads values
  ('th2', 'Fork', 'a4', 'th1', '2026-03-02 10:00:00+00:00'),
  ('th1', 'Sums', 'a3', null, '2026-03-01 10:00:00+00:00'),
  ('old-2', 'Copied', null, null, '2026-03-03 10:00:00+00:00');
insert into turns values
  ('r1', 'th1', 'u1', 'a1', 'm', 'm-2026', null, 10, 5, null, 12, '2026-03-01T10:00:00.123456+00:00'),
  ('r2', 'th1', 't1', 'a2', 'm', null, '{"t":0}', 12, 2, '{"cached":3}', 9, '2026-03-01T10:00:01+00:00'),
  ('r3', 'th1', 'u2', 'a3', 'm', null, null, null, null, null, null, '2026-03-01T10:01:00+00:00'),
  ('r4', 'th2', 'u3', 'a4', 'm', null, null, 14, 1, null, null, '2026-03-02T10:00:00+00:00'),
  ('o3', 'old-2', null, null, 'm', null, null, null, null, null, null, '2026-03-03T10:00:00+00:00');
insert into turn_tools values ('r1', 1), ('r2', 1);
insert into conversations values ('old-1', 'Before', 'm0'), ('old-2', 'Copied', 'm0');
insert into responses values
  ('o1', 'm0', 'Hi', 'Be terse', null, '{"t":1}', '', null, 'old-1', 7, '2024-03-01T10:00:00.5', 3, 4, null, 'Hmm'),
  ('o2', 'm0', '', 'Be terse', null, null, 'Done', null, 'old-1', null, '2024-03-01T10:00:02', 5, 6, null, null),
  ('o3', 'm0', 'Copied', null, null, null, 'Copied', null, 'old-2', null, '2024-03-01T10:00:03', 1, 1, null, null),
  ('o4', 'm0', 'Alone', null, null, null, 'Yes', null, null, null, 'never', 1, 1, null, null);
insert into tool_calls values (1, 'o1', 'add', '{"a": 1}', 'k1'), (2, 'o1', 'add', '{oops', null);
insert into tool_results values (1, 'o2', 'add', '1', 'k1', null), (2, 'o2', 'add', '', null, 'ValueError');
