/* SPDX-License-Identifier: MIT
 *
 * For those who run it: health, metrics, and the page at "/".
 */
#include "gate/pages.h"
#include "gate/reply.h"

#include <stdatomic.h>

enum { MAX_METRICS = 64 << 20 };

static void json(struct mw_http_req *req, struct mw_str body)
{
	mw_reply_plain(req, 200, MW_STR("application/json"), body);
}

void mw_page_alive(struct mw_worker *w, struct mw_http_req *req, struct mw_str rest)
{
	(void)w, (void)rest;
	json(req, MW_STR("\"I'm alive!\""));
}

void mw_page_ready(struct mw_worker *w, struct mw_http_req *req, struct mw_str rest)
{
	(void)rest;
	struct mw_gateway *gateway = mw_worker_gateway(w);
	bool draining = atomic_load(&gateway->draining);
	mw_reply_plain(req, draining ? 503 : 200, MW_STR("application/json"),
	    draining ? MW_STR("{\"status\":\"draining\"}")
		     : MW_STR("{\"status\":\"healthy\",\"db\":\"Not connected\"}"));
}

void mw_page_metrics(struct mw_worker *w, struct mw_http_req *req, struct mw_str rest)
{
	(void)rest;
	struct mw_buf b;
	mw_buf_init(&b, MAX_METRICS);
	mw_metrics_write(mw_worker_gateway(w)->metrics, &b);
	mw_reply_plain(
	    req, 200, MW_STR("text/plain; version=0.0.4; charset=utf-8"), mw_buf_str(&b));
	mw_buf_deinit(&b);
}

void mw_page_home(struct mw_worker *w, struct mw_http_req *req, struct mw_str rest)
{
	(void)w, (void)rest;
	mw_reply_plain(req, 200, MW_STR("text/plain; charset=utf-8"),
	    MW_STR("Moonweir " MW_VERSION ", an LLM gateway programmed in Lua.\n"
		   "POST /v1/chat/completions  GET /v1/models  GET /metrics  GET "
		   "/health/readiness\n"));
}
