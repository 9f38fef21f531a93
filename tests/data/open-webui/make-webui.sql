create table auth (id text); create table user (id text, name text);
create table chat (id text primary key, user_id text, title text, chat text, created_at integer, updated_at integer, archived integer, folder_id text);
create table chat_message (id text primary key, chat_id text, user_id text, role text, parent_id text, content text, output text, model_id text, usage text, error text, done integer, created_at integer, updated_at integer);
insert into chat values
  ('ch1', 'ana', 'Trip', '{"title":"Trip","models":["m"],"history":{"currentId":"b","messages":{"a":{"id":"a","parentId":null,"childrenIds":["b"],"role":"user","content":"Old text","timestamp":1767000000},"b":{"id":"b","parentId":"a","role":"assistant","content":"<details type=\"reasoning\" done=\"true\">\n<summary>Thought</summary>\n&gt; Where\n&gt; to?\n</details>\n<details type=\"tool_calls\" done=\"true\" id=\"c1\" name=\"find\" arguments=\"&quot;{\\&quot;q\\&quot;: 1}&quot;\" result=\"&quot;found &amp; kept&quot;\">\n<summary>Done</summary>\n</details>\n<details type=\"tool_calls\" done=\"false\" id=\"c2\" name=\"wait\" arguments=\"{oops\">\n</details>\nRome <details>kept</details>","model":"m","timestamp":1767000005,"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}}}}}', 1767000000, 1767000010, 0, 'fo'),
  ('ch2', 'bo', 'New', '{"history":{"currentId":"y","messages":{}}}', 1767000100, 1767000110, 1, null),
  ('ch3', 'shared-ch1', 'Trip', '{"history":{"messages":{}}}', 1767000200, 1767000200, 0, null),
  ('ch4', 'bo', 'Cut', '{"history":{"mess', 1767000300, 1767000300, 0, null);
insert into chat_message values
  ('ch1-a', 'ch1', 'ana', 'user', null, '"New text"', null, null, null, null, 1, 1767000001, null),
  ('ch2-x', 'ch2', 'bo', 'user', null, 'Hi', null, null, null, null, 1, 1767000101, null),
  ('ch2-y', 'ch2', 'bo', 'assistant', 'ch2-x', '""', '[{"type":"reasoning","summary":[{"type":"summary_text","text":"Hm"}]},{"type":"function_call","call_id":"k1","name":"ping","arguments":"{}"},{"type":"function_call_output","call_id":"k1","output":[{"type":"input_text","text":"pong"}]},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Done"}]}]', 'm2', '{"prompt_eval_count":5,"eval_count":6}', null, 1, 1767000102, null),
  ('ch2-z', 'ch2', 'bo', 'assistant', 'x', 'Other', null, 'm3', '{"input_tokens":8,"output_tokens":1,"input_tokens_details":{"cached_tokens":3}}', null, 1, 1767000103, null);
