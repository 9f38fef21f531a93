create table traces (id integer primary key, trace_id text, start_time text);
create table spans (id integer primary key, trace_rowid integer, span_id text, parent_id text, name text,
  span_kind text, start_time text, end_time text, attributes text, status_code text, status_message text);
insert into traces values (1, 'aa', '2026-01-10 08:00:00'), (2, 'bb', '2026-01-10 09:00:00');
insert into spans values
  (1, 1, 's1', null, 'chat', 'LLM', '2026-01-10 08:00:00.000000', '2026-01-10 08:00:01.000000',
   '{"llm": {"model_name": "m", "token_count": {"prompt": 4, "completion": 2}, "input_messages": [{"message": {"role": "user", "content": "Hi"}}], "output_messages": [{"message": {"role": "assistant", "content": "Yo"}}]}, "session": {"id": "se-9"}}',
   'OK', ''),
  (2, 2, 's2', null, 'chat', 'LLM', '2026-01-10 09:00:00.000000', null, '{cut', 'UNSET', '');
