# SPDX-License-Identifier: MIT
"""What a recorded exchange means, said in OpenAI's words: computed from the provider's raw answer, without any of
Moonweir's code, so that what the gateway makes of it can be compared.

    of(exchange) -> {"choices": [...], "usage": {...} or None}   and "error": {...} where it is one, or ends in one

A choice is {"index", "content", "reasoning", "refusal", "calls": [(name, arguments)], "ids": [...], "finish",
"logprobs": [...], "citations": [...], "signatures": [...]}. `content` is text, "" where there is none; arguments are parsed
JSON (the text itself where it is none); ids are those of the calls, None where the provider gave none; citations are
what it said of its sources, with OpenAI's annotations among them; signatures are what a client must be able to send back.
Of Gemini also "notes": sources, and what its own tools did, under the names that clients see.
"""
import json

OPENAI_REASONS = {"stop", "length", "tool_calls", "content_filter", "function_call"}


def sse(text):
    """The (name, data) pairs of an SSE text."""
    events, name, data = [], "", []
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n") + [""]:
        if line == "":
            if data:
                events.append((name, "\n".join(data)))
            name, data = "", []
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif line.startswith("event:"):
            name = line[6:].removeprefix(" ")
    return events


def parsed(text):
    try:
        return json.loads(text) if text.strip() else {}
    except ValueError:
        return text


def usage(prompt, completion, cached=0, written=0, reasoning=0):
    return {"prompt": prompt or 0, "completion": completion or 0, "cached": cached or 0, "written": written or 0,
            "reasoning": reasoning or 0}


def choice(index=0):
    return {"index": index, "content": "", "reasoning": "", "refusal": "", "calls": [], "ids": [], "finish": None,
            "logprobs": [], "citations": [], "signatures": []}


# ------------------------------------------------------------------------------------------------ Anthropic

ANTHROPIC_REASONS = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls",
                     "model_context_window_exceeded": "length", "refusal": "content_filter"}


def anthropic_usage(counts):
    total = usage(0, 0)
    for run in counts.get("iterations") or [counts]:
        read, written = run.get("cache_read_input_tokens") or 0, run.get("cache_creation_input_tokens") or 0
        total["prompt"] += (run.get("input_tokens") or 0) + read + written
        total["completion"] += run.get("output_tokens") or 0
        total["cached"] += read
        total["written"] += written
        total["reasoning"] += (run.get("output_tokens_details") or {}).get("thinking_tokens") or 0
    return total


def anthropic(blocks, reason, counts):
    c = choice()
    for block in blocks:
        kind = block.get("type")
        if kind == "text":
            c["content"] += block["text"]
            c["citations"] += block.get("citations") or []
        elif kind == "thinking":
            c["reasoning"] += block.get("thinking", "")
            c["signatures"].append(block.get("signature", ""))
        elif kind == "redacted_thinking":
            c["signatures"].append(block["data"])
        elif kind == "tool_use":
            c["calls"].append((block["name"], block["input"]))
            c["ids"].append(block["id"])
    c["finish"] = ANTHROPIC_REASONS.get(reason, "stop")
    if reason == "tool_use" and not c["calls"]:
        c["finish"] = "stop"
    return {"choices": [c], "usage": anthropic_usage(counts)}


def anthropic_stream(text):
    blocks, reason, counts = [], None, {}
    for _, data in sse(text):
        event = json.loads(data)
        kind = event["type"]
        if kind == "message_start":
            counts.update(event["message"]["usage"])
        elif kind == "content_block_start":
            blocks.append(dict(event["content_block"], json="", citations=[]))
        elif kind == "content_block_delta":
            delta, block = event["delta"], blocks[event["index"]]
            for name in ("text", "thinking", "signature"):
                if name in delta:
                    block[name] = block.get(name, "") + delta[name]
            block["json"] += delta.get("partial_json", "")
            block["citations"] += [delta["citation"]] if "citation" in delta else []
        elif kind == "message_delta":
            reason = event["delta"].get("stop_reason") or reason
            counts.update({k: v for k, v in (event.get("usage") or {}).items() if v is not None})
        elif kind == "error":
            return {"error": event["error"]}
    for block in blocks:
        if block["type"] == "tool_use":
            block["input"] = parsed(block["json"])
    return anthropic(blocks, reason, counts)


# --------------------------------------------------------------------------------------------------- Gemini

FILTERED = {"SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR"}


SERVER_PARTS = {"toolCall", "toolResponse", "executableCode"}  # of Google's own tools: no client can send them back
NUMBERED = {1: "STOP", 2: "MAX_TOKENS", 3: "SAFETY", 4: "RECITATION", 5: "OTHER"}
NOTES = {"groundingMetadata": "grounding_metadata", "citationMetadata": "citation_metadata",
         "urlContextMetadata": "url_context_metadata"}
DEEDS = {"executableCode": "code_execution", "codeExecutionResult": "code_execution",
         "toolCall": "server_side_tool_invocations", "toolResponse": "server_side_tool_invocations"}


def gemini_notes(candidate):
    found = {NOTES[name]: candidate[name] for name in NOTES if candidate.get(name)}
    for part in (candidate.get("content") or {}).get("parts") or []:
        for name in DEEDS.keys() & part.keys():
            found.setdefault(DEEDS[name], []).append(part)
    return found


def add_notes(notes, more):
    """Lists grow, anything else is told anew."""
    for name, value in more.items():
        if name != "thought_signature":
            notes[name] = notes.get(name, []) + value if isinstance(value, list) else value


def gemini(replies):
    choices, counts, blocked = {}, {}, None
    for reply in replies:
        if "error" in reply:
            return {"error": reply["error"]}
        counts = reply.get("usageMetadata") or counts
        blocked = (reply.get("promptFeedback") or {}).get("blockReason") or blocked
        for i, candidate in enumerate(reply.get("candidates") or []):
            c = choices.setdefault(candidate.get("index", i), dict(choice(candidate.get("index", i)), notes={}))
            add_notes(c["notes"], gemini_notes(candidate))
            for part in (candidate.get("content") or {}).get("parts") or []:
                if "functionCall" in part:
                    c["calls"].append((part["functionCall"]["name"], part["functionCall"].get("args") or {}))
                    c["ids"].append(part["functionCall"].get("id"))
                elif part.get("thought"):
                    c["reasoning"] += part.get("text", "")
                else:
                    c["content"] += part.get("text", "")
                if part.get("thoughtSignature") and not SERVER_PARTS & set(part):
                    c["signatures"].append(part["thoughtSignature"])
            word = candidate.get("finishReason")
            c["finish"] = NUMBERED.get(word, word) or c["finish"]
    if not choices and blocked:
        choices[0] = dict(choice(), finish="SAFETY")
    for c in choices.values():
        word = c["finish"]
        c["finish"] = ("length" if word == "MAX_TOKENS" else "content_filter" if word in FILTERED
                       else "tool_calls" if c["calls"] else "stop")
        if word not in FILTERED | {"STOP", "MAX_TOKENS"} and not c["content"] and not c["calls"]:
            return {"error": {"message": word}}
    thoughts = counts.get("thoughtsTokenCount") or 0
    return {"choices": [choices[i] for i in sorted(choices)],
            "usage": counts and usage((counts.get("promptTokenCount") or 0) + (counts.get("toolUsePromptTokenCount") or 0),
                                      (counts.get("candidatesTokenCount") or 0) + thoughts,
                                      counts.get("cachedContentTokenCount"), 0, thoughts)}


# --------------------------------------------------------------------------------------------------- OpenAI

def openai_usage(counts):
    if not counts:
        return None
    reasoning = (counts.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    prompt, completion = counts.get("prompt_tokens") or 0, counts.get("completion_tokens") or 0
    details = counts.get("prompt_tokens_details") or {}
    apart = (counts.get("total_tokens") or 0) - prompt - completion
    if apart > 0 and apart == details.get("audio_tokens"):  # Mistral counts audio apart from the prompt
        prompt += apart
    elif apart > 0:  # xAI counts reasoning apart from the completion, Google without telling of it
        completion += apart
    cached = details.get("cached_tokens") or counts.get("prompt_cache_hit_tokens") or counts.get("num_cached_tokens")
    return usage(prompt, completion, cached, details.get("cache_write_tokens"), reasoning)


def add_text(c, message):
    """Content as text or as a list of parts; reasoning under either of its names."""
    content = message.get("content")
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            c["content"] += part
        elif part and part.get("type") in ("thinking", "reasoning"):
            inner = part.get("thinking") or part.get("summary") or []
            c["reasoning"] += "".join(p.get("text") or "" for p in inner)
        elif part:
            c["content"] += part.get("text") or ""
    reasoning = message.get("reasoning_content")
    c["reasoning"] += (reasoning if reasoning is not None else message.get("reasoning")) or ""
    c["refusal"] += message.get("refusal") or ""
    c["citations"] += message.get("annotations") or []
    own = message.get("provider_specific_fields") or {}
    c["citations"] += own.get("citations") or ([own["citation"]] if "citation" in own else [])


def add_logprobs(c, given):
    for kind in ("content", "refusal"):
        c["logprobs"] += (given.get("logprobs") or {}).get(kind) or []


def openai_finish(c, words):
    given = [w for w in words if w]
    word = given[0] if given else None
    known = {"eos": "stop", "model_length": "length"}.get(word, word)
    if known in OPENAI_REASONS and word == known:
        return known
    return "tool_calls" if c["calls"] else known if known in OPENAI_REASONS else "stop"


def openai(reply):
    if reply.get("error"):
        return {"error": reply["error"]}
    choices = []
    for i, given in enumerate(reply["choices"]):
        c = choice(given.get("index", i))
        add_text(c, given["message"])
        for call in given["message"].get("tool_calls") or []:
            arguments = call["function"].get("arguments")
            c["calls"].append((call["function"]["name"], parsed(arguments or "") if not isinstance(arguments, dict) else arguments))
            c["ids"].append(call.get("id") or None)
        add_logprobs(c, given)
        c["finish"] = openai_finish(c, [given.get("finish_reason")])
        choices.append(c)
    return {"choices": choices, "usage": openai_usage(reply.get("usage"))}


def openai_stream(text):
    choices, words, pieces, counts, error = {}, {}, {}, None, None
    for _, data in sse(text):
        if data == "[DONE]":
            break
        chunk = json.loads(data)
        if chunk.get("error"):
            error = chunk["error"]
            break
        counts = chunk.get("usage") or counts
        for given in chunk.get("choices") or []:
            i = given.get("index", 0)
            c = choices.setdefault(i, choice(i))
            delta = given.get("delta") or {}
            add_text(c, delta)
            add_logprobs(c, given)
            for call in delta.get("tool_calls") or []:
                mine = pieces.setdefault(i, [])
                key = call.get("index")
                known = [p for p in mine if (p["key"] == key if key is not None else p["id"] == call.get("id"))]
                called = call.get("function") or {}
                if not known or (call.get("id") and call["id"] != known[-1]["id"] and called.get("name")):
                    known = [{"key": key, "id": call.get("id"), "name": called.get("name"), "text": ""}]
                    mine.append(known[0])
                arguments = called.get("arguments") or ""
                known[-1]["text"] += arguments if isinstance(arguments, str) else json.dumps(arguments)
            words.setdefault(i, []).append(given.get("finish_reason"))
    for i, c in choices.items():
        c["calls"] = [(p["name"], parsed(p["text"])) for p in pieces.get(i, [])]
        c["ids"] = [p["id"] or None for p in pieces.get(i, [])]
        c["finish"] = openai_finish(c, words[i])
    result = {"choices": [choices[i] for i in sorted(choices)], "usage": openai_usage(counts)}
    return dict(result, error=error) if error else result


# ---------------------------------------------------------------------------------------------- both ends

def family(exchange):
    """Which dialect an exchange is in: "openai", "anthropic" or "gemini"; None for what is no chat call of these."""
    provider, endpoint = exchange["provider"], exchange["endpoint"]
    if endpoint == "chat.completions":
        return "openai"
    if endpoint in ("messages", "anthropic.rawPredict", "anthropic.streamRawPredict"):
        return "anthropic"
    if provider in ("gemini", "vertex") and endpoint in ("generateContent", "streamGenerateContent"):
        return "gemini"
    return None


def of(exchange):
    """What the provider's answer says. Errors with a status give {"error": {"status", "message"}}."""
    response, kind = exchange["response"], family(exchange)
    text, streamed = response["body"], response.get("stream_format") == "sse"
    if response["status"] >= 300:
        return {"error": {"status": response["status"], "message": error_words(text), **error_kind(text)}}
    if kind == "anthropic":
        if streamed:
            return anthropic_stream(text)
        reply = json.loads(text)
        return anthropic(reply["content"], reply["stop_reason"], reply["usage"])
    if kind == "gemini":
        replies = [json.loads(data) for _, data in sse(text)] if streamed else json.loads(text)
        return gemini(replies if isinstance(replies, list) else [replies])
    return openai_stream(text) if streamed else openai(json.loads(text))


def error_words(text):
    """The message of an error answer; the text itself where it has none."""
    try:
        body = json.loads(text)
    except ValueError:
        return text
    while isinstance(body, (dict, list)):
        if isinstance(body, list):
            body = body[0]
            continue
        inner = next((body[k] for k in ("error", "message", "detail") if body.get(k)), None)
        if inner is None:
            return text
        body = inner
    return str(body)


def error_kind(text):
    """The provider's own words for the kind of an error: its type, which Google calls `status`, and its code."""
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    body = body[0] if isinstance(body, list) else body
    error = body["error"] if isinstance(body.get("error"), dict) else body
    kind = next((error[k] for k in ("type", "status") if isinstance(error.get(k), str)), None)
    code = error.get("code")
    return {"type": kind, "code": code if isinstance(code, str) else None}


def of_client_reply(reply):
    """The same of a whole OpenAI reply that a client got."""
    result = openai(reply)
    result["usage"] = client_usage(reply.get("usage"))
    for c, given in zip(result.get("choices", []), reply.get("choices", [])):
        message = given["message"]
        c["signatures"], c["notes"] = list(signatures(message)), {}
        add_notes(c["notes"], message.get("provider_specific_fields") or {})
    return result


def client_usage(counts):
    """A usage as clients read it: every token in the place that OpenAI has for it."""
    if not counts:
        return None
    prompt, completion = counts["prompt_tokens"], counts["completion_tokens"]
    assert counts["total_tokens"] == prompt + completion, counts
    inn, out = counts.get("prompt_tokens_details") or {}, counts.get("completion_tokens_details") or {}
    return usage(prompt, completion, inn.get("cached_tokens"), inn.get("cache_write_tokens"), out.get("reasoning_tokens"))


def signatures(message):
    for block in message.get("thinking_blocks") or []:
        yield block.get("signature", block.get("data"))
    for call in message.get("tool_calls") or []:
        if "extra_content" in call:
            yield call["extra_content"]["google"]["thought_signature"]
    own = message.get("provider_specific_fields") or {}
    if own.get("thought_signature"):
        yield own["thought_signature"]


def of_client_stream(text):
    """The same of a stream that a client got; what it must look like anyway is checked here: a role first, a finish
    once, everything of a choice before its finish, a place for each call."""
    result = openai_stream(text)
    found, notes, finished, roles, calls = {}, {}, set(), set(), {}
    assert text.endswith("data: [DONE]\n\n"), "no [DONE] at the end"
    for _, data in sse(text)[:-1]:
        chunk = json.loads(data)
        result["usage"] = client_usage(chunk.get("usage")) or result["usage"]
        for given in chunk.get("choices", []):
            i, delta = given["index"], given["delta"]
            assert i not in finished, "something came after the finish"
            assert (i in roles) == (delta.get("role") is None), "the role comes once, first"
            roles.add(i)
            for call in delta.get("tool_calls") or []:
                place = i, call["index"]
                assert calls.setdefault(place, call.get("id")), "a call without an id"
                assert call.get("id") in (None, calls[place]), "two calls in one place"
            found.setdefault(i, []).extend(signatures(delta))
            add_notes(notes.setdefault(i, {}), delta.get("provider_specific_fields") or {})
            if given["finish_reason"]:
                finished.add(i)
    assert finished == roles, "a choice without a finish"
    for c in result.get("choices", []):
        c["signatures"], c["notes"] = found.get(c["index"], []), notes.get(c["index"], {})
    return result


def check_same(want, got):
    """What a client got says what the provider said."""
    assert len(want["choices"]) == len(got["choices"])
    for w, g in zip(want["choices"], got["choices"]):
        assert all(g["ids"]) and len(g["ids"]) == len(w["ids"]), "calls without ids"
        for name in ("index", "content", "reasoning", "refusal", "calls", "ids", "finish", "logprobs", "citations"):
            a, b = w[name], g[name]
            if name == "ids":
                b = [mine if theirs else None for theirs, mine in zip(a, b)]
            if name == "calls":
                a, b = list(map(tuple, a)), list(map(tuple, b))
            assert a == b, "choice %d, %s" % (w["index"], name)
        for signature in filter(None, w["signatures"]):
            assert signature in g["signatures"]
        assert w.get("notes", g["notes"]) == g["notes"]
    check_usage(want["usage"], got["usage"] or {})


def check_usage(want, got):
    for name, count in (want or {}).items():
        assert got[name] == count, "usage.%s: %s, not %s" % (name, got[name], count)
