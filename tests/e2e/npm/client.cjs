// SPDX-License-Identifier: MIT
// Drives the official openai client against a gateway: node client.cjs BASE_URL CASE. Prints what the client made of it as
// one line of JSON; tests/e2e/test_openai_client.py says what it must be.
"use strict";
const OpenAI = require("openai");

const [base, name] = process.argv.slice(2);
const client = new OpenAI({ baseURL: base + "/v1", apiKey: "sk-test", maxRetries: 0 });
const ask = { model: "m", messages: [{ role: "user", content: "hi" }] };
const weather = {
	type: "function",
	function: {
		name: "weather",
		strict: true,
		parameters: {
			type: "object",
			properties: { city: { type: "string" } },
			required: ["city"],
			additionalProperties: false,
		},
	},
};
const person = {
	type: "json_schema",
	json_schema: {
		name: "person",
		strict: true,
		schema: {
			type: "object",
			properties: { name: { type: "string" }, age: { type: "integer" } },
			required: ["name", "age"],
			additionalProperties: false,
		},
	},
};

async function collect(stream) {
	const seen = { text: "", chunks: 0, finish: null, usage: null, ids: new Set() };
	for await (const chunk of stream) {
		seen.chunks++;
		seen.ids.add(chunk.id);
		const choice = chunk.choices[0];
		seen.text += choice?.delta?.content ?? "";
		seen.finish = choice?.finish_reason ?? seen.finish;
		seen.usage = chunk.usage ?? seen.usage;
	}
	return { ...seen, ids: seen.ids.size };
}

// the client calls the function itself, sends its results back, and so on until there is text
async function runTools(stream) {
	const asked = [];
	const call = async ({ city }) => asked.push(city) && "21 degrees in " + city;
	const tool = { ...weather, function: { ...weather.function, parse: JSON.parse, function: call } };
	const runner = client.chat.completions.runTools({ ...ask, stream, tools: [tool] });
	return { text: await runner.finalContent(), asked };
}

const cases = {
	async chat() {
		const { data, response } = await client.chat.completions.create(ask).withResponse();
		return {
			text: data.choices[0].message.content,
			finish: data.choices[0].finish_reason,
			model: data.model,
			usage: data.usage,
			call: response.headers.get("x-litellm-call-id"),
		};
	},

	async stream() {
		return collect(await client.chat.completions.create({ ...ask, stream: true }));
	},

	async usage() {
		return collect(
			await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } }),
		);
	},

	async tools() {
		const reply = await client.chat.completions.create({ ...ask, tools: [weather] });
		return { finish: reply.choices[0].finish_reason, calls: reply.choices[0].message.tool_calls };
	},

	// the client's own accumulator, which is stricter than reading chunks
	async streamed_tools() {
		const reply = await client.chat.completions.stream({ ...ask, tools: [weather] }).finalChatCompletion();
		return { finish: reply.choices[0].finish_reason, calls: reply.choices[0].message.tool_calls };
	},

	async streamed_message() {
		return client.chat.completions.stream(ask).finalMessage();
	},

	async run_tools() {
		return runTools(false);
	},

	async run_streamed_tools() {
		return runTools(true);
	},

	async structured() {
		const reply = await client.chat.completions.parse({ ...ask, response_format: person });
		return JSON.parse(reply.choices[0].message.content);
	},

	async embeddings() {
		const reply = await client.embeddings.create({ model: "m", input: ["a", "b"] });
		return reply.data.map((row) => Array.from(row.embedding));
	},

	async models() {
		const found = [];
		for await (const model of client.models.list()) found.push(model.id);
		return found;
	},

	async error() {
		try {
			await client.chat.completions.create(ask);
		} catch (e) {
			return {
				class: e.constructor.name,
				status: e.status,
				message: e.message,
				type: e.type,
				param: e.param,
				code: e.code,
				retry_after: e.headers?.get("retry-after") ?? null,
			};
		}
	},

	async streamed_error() {
		const seen = { text: "" };
		try {
			for await (const chunk of await client.chat.completions.create({ ...ask, stream: true }))
				seen.text += chunk.choices[0]?.delta?.content ?? "";
		} catch (e) {
			seen.class = e.constructor.name;
			seen.message = e.message;
		}
		return seen;
	},

	async abort() {
		const stream = await client.chat.completions.create({ ...ask, stream: true });
		for await (const chunk of stream) {
			if (!chunk.choices[0]?.delta?.content) continue;
			stream.controller.abort();
			return { text: chunk.choices[0].delta.content };
		}
	},

	async abort_whole() {
		const stop = new AbortController();
		setTimeout(() => stop.abort(), 200);
		try {
			await client.chat.completions.create(ask, { signal: stop.signal });
		} catch (e) {
			return { class: e.constructor.name };
		}
	},

	async timeout() {
		try {
			await client.chat.completions.create(ask, { timeout: 200 });
		} catch (e) {
			return { class: e.constructor.name };
		}
	},
};

cases[name]().then((result) => {
	console.log(JSON.stringify(result));
	// kept alive on purpose: what closes the connection must be the client, not the end of this process
	if (name.startsWith("abort") || name === "timeout") setTimeout(() => process.exit(), 3000);
});
