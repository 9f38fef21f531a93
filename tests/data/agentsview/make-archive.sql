create table sessions (id text primary key, project text, machine text, agent text, first_message text,
  display_name text, session_name text, started_at text, ended_at text, parent_session_id text,
  relationship_type text, cwd text, git_branch text, source_session_id text);
create table messages (id integer primary key, session_id text, ordinal integer, role text, content text,
  thinking_text text, timestamp text, has_thinking integer, is_system integer, model text, token_usage text,
  output_tokens integer, has_output_tokens integer, claude_message_id text, source_uuid text,
  source_parent_uuid text, is_sidechain integer, is_compact_boundary integer);
create table tool_calls (id integer primary key, message_id integer, session_id text, tool_name text,
  category text, tool_use_id text, input_json text, result_content_length integer, result_content text,
  subagent_session_id text);
create table tool_result_events (id integer primary key, session_id text, tool_use_id text, status text);
create table usage_events (id integer primary key, session_id text, input_tokens integer, output_tokens integer);
insert into sessions values
  ('c1', 'app', 'local', 'claude', 'Fix', 'Repairs', null, '2026-04-01T08:00:00Z', '2026-04-01T09:00:00Z', null, '', '/app', 'main', 'src-1'),
  ('c2', 'app', 'local', 'claude', 'Sub', null, 'Helper', '2026-04-01T08:01:00Z', null, 'c1', 'subagent', '', '', ''),
  ('k1', 'web', 'local', 'cursor', 'Hi', null, null, '2026-04-02T08:00:00Z', null, 'gone', 'unknown', '', '', '');
insert into messages values
  (1, 'c1', 0, 'user', 'Fix', '', '2026-04-01T08:00:00.000Z', 0, 0, '', '', 0, 0, '', 'u1', '', 0, 0),
  (2, 'c1', 1, 'assistant', 'Looking', 'Hm', '2026-04-01T08:00:01.000Z', 1, 0, 'opus', '{"input_tokens":5,"output_tokens":2,"cache_read_input_tokens":9,"cache_creation_input_tokens":1}', 2, 1, 'msg_1', 'u2', 'u1', 0, 0),
  (3, 'c1', 2, 'assistant', '[Edit]', '', '2026-04-01T08:00:02.000Z', 0, 0, 'opus', '{"input_tokens":5,"output_tokens":8}', 8, 1, 'msg_1', 'u3', 'u2', 0, 0),
  (4, 'c1', 3, 'user', 'Reminder', '', 'soon', 0, 1, '', '', 0, 0, '', 'u4', 'u3', 0, 0),
  (5, 'c1', 4, 'user', 'So far', '', '2026-04-01T08:00:04.000Z', 0, 0, '', '', 0, 0, '', 'u5', 'u4', 0, 1),
  (6, 'c2', 0, 'user', 'Help', '', '2026-04-01T08:01:00.000Z', 0, 0, '', '', 0, 0, '', '', '', 1, 0),
  (7, 'c2', 1, 'assistant', 'Helped', '', '2026-04-01T08:01:01.000Z', 0, 0, 'gpt', '{"input_tokens":10,"cached_input_tokens":4,"output_tokens":3,"reasoning_output_tokens":1}', 3, 1, '', '', '', 1, 0),
  (8, 'c2', 2, 'assistant', 'More', '', null, 0, 0, '', '', 6, 1, '', '', '', 1, 0),
  (9, 'k1', 0, 'user', 'Hi', '', null, 0, 0, '', '', 0, 0, '', '', '', 0, 0);
insert into tool_calls values
  (1, 3, 'c1', 'Edit', 'edit', 't1', '{"p":1}', 2, 'ok', null),
  (2, 3, 'c1', 'Task', 'agent', 't2', '{}', null, null, 'c2'),
  (3, 7, 'c2', 'Bash', 'shell', 't3', '{cut', 3, 'bad', null),
  (4, 7, 'c2', 'Bash', 'shell', null, null, null, null, null);
insert into tool_result_events values (1, 'c2', 't3', 'failed'), (2, 'c1', 't1', 'completed');
insert into usage_events values (1, 'k1', 100, 10), (2, 'k1', 50, 5), (3, 'c1', 7, 7);
