/* SPDX-License-Identifier: MIT
 *
 * GET /v1/models and /v1/models/{id}, in the shape and with the constants that LiteLLM answers.
 */
#include "base/json.h"
#include "gate/decode.h"
#include "gate/pages.h"
#include "gate/reply.h"

enum { MAX_LIST = 16 << 20 };

static void add_row(struct mw_buf *b, struct mw_str name)
{
	mw_buf_addz(b, "{\"id\":");
	mw_json_quote(b, name);
	mw_buf_addz(b, ",\"object\":\"model\",\"created\":1677610602,\"owned_by\":\"openai\"}");
}

void mw_page_models(struct mw_worker *w, struct mw_http_req *req, struct mw_str rest)
{
	(void)rest;
	const struct mw_settings *s = mw_worker_version(w)->settings;
	struct mw_buf b;
	mw_buf_init(&b, MAX_LIST);
	mw_buf_addz(&b, "{\"data\":[");
	bool first = true;
	for (size_t i = 0; i < s->n_models; i++) {
		if (s->models[i].hidden)
			continue;
		if (!first)
			mw_buf_addc(&b, ',');
		first = false;
		add_row(&b, s->models[i].name);
	}
	mw_buf_addz(&b, "],\"object\":\"list\"}");
	mw_reply_plain(req, 200, MW_STR("application/json"), mw_buf_str(&b));
	mw_buf_deinit(&b);
}

/* Percent-decoded; the server takes no target with a bad escape. */
static void add_decoded(struct mw_buf *b, struct mw_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '%') {
			mw_buf_addc(b, s.p[i]);
			continue;
		}
		mw_require(i + 2 < s.n);
		mw_buf_addc(b, (char)(mw_str_hex(s.p[i + 1]) << 4 | mw_str_hex(s.p[i + 2])));
		i += 2;
	}
}

void mw_page_model(struct mw_worker *w, struct mw_http_req *req, struct mw_str rest)
{
	const struct mw_settings *s = mw_worker_version(w)->settings;
	const struct mw_target *only = NULL;
	struct mw_buf name, b;
	mw_buf_init(&name, MW_MAX_HEAD);
	mw_buf_init(&b, MAX_LIST);
	add_decoded(&name, rest);
	if (mw_settings_find(s, mw_buf_str(&name), &only)) {
		add_row(&b, mw_buf_str(&name));
		mw_reply_plain(req, 200, MW_STR("application/json"), mw_buf_str(&b));
	} else {
		struct mw_err err;
		mw_decode_no_model(s, mw_buf_str(&name), &err);
		mw_reply_err(req, &err);
	}
	mw_buf_deinit(&name);
	mw_buf_deinit(&b);
}
