create table message_store (id integer primary key, session_id text, message text);
insert into message_store values (1, 'a', '{"type": "human", "data": {"content": "add milk", "type": "human", "id": "h1"}}');
insert into message_store values (2, 'b', '{"type": "human", "data": {"content": "hello", "type": "human"}}');
insert into message_store values (3, 'a', '{"type": "ai", "data": {"content": "", "type": "ai", "tool_calls": [{"name": "add_task", "args": {"title": "milk"}, "id": "c1"}], "usage_metadata": {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}}}');
insert into message_store values (4, 'a', '{"type": "tool", "data": {"content": "done", "type": "tool", "tool_call_id": "c1", "status": "success"}}');
insert into message_store values (5, 'b', 'no message at all');
insert into message_store values (6, 'a', '{"type": "ai", "data": {"content": "It is on your list.", "type": "ai"}}');
