/* SPDX-License-Identifier: MIT
 *
 * A target: one deployment of one model at one provider, as the settings name it. Plain data, made
 * once with the settings snapshot that owns it and never changed.
 */
#ifndef MW_TARGET_H
#define MW_TARGET_H

#include "base/exchange.h"

/* What a client can ask for. */
enum mw_kind { MW_KIND_CHAT, MW_KIND_EMBEDDINGS, MW_KINDS };

/* Where one kind of call goes. A URL holds "{model}" where the provider's model name is put in. */
struct mw_address {
	struct mw_str url;               /* {NULL,0}: this provider has no such thing */
	struct mw_str stream_url;        /* the same where streaming has no address of its own */
	const struct mw_header *headers; /* credentials and versions; never logged */
	size_t n_headers;
};

struct mw_health;
struct mw_price;

struct mw_target {
	size_t index;        /* in the settings' list of targets */
	struct mw_str id;    /* model_info.id, or a hash of what defines it: x-litellm-model-id */
	struct mw_str group; /* model_name: what clients ask for */
	struct mw_str name; /* litellm_params.model as written: "openai/gpt-4o-mini", "openai/\*" */
	struct mw_str provider;
	struct mw_str model;    /* what the provider calls it; for a wildcard with its '*' */
	struct mw_str dialect;  /* the provider's wire format */
	struct mw_str api_base; /* shown to clients: no query, no credentials; may be empty */
	struct mw_str
	    spec; /* JSON: what lua/ is told of this target (holds the key: never logged) */
	struct mw_address addresses[MW_KINDS];
	struct mw_str warning; /* what prepare has to say of it, such as that a key is missing */
	bool wildcard;
	bool passthrough;    /* its replies may go through as bytes where their shape is OpenAI's */
	bool stream_usage;   /* asks for usage in streams with stream_options.include_usage */
	bool plays;          /* answers by itself (demo, mock_response): no network */
	bool drop_params;    /* parameters that the provider lacks are dropped, not refused */
	bool has_defaults;   /* litellm_params brings body members of its own: the body must be
				decoded */
	double weight;       /* 0: not given */
	uint32_t rpm, tpm;   /* 0: not given */
	int order;           /* lower is tried first; INT_MAX where not given */
	int num_retries;     /* -1: the router's */
	uint64_t timeout_us; /* whole answer; 0: the router's */
	uint64_t stream_timeout_us;   /* first content of a stream; 0: the router's */
	int64_t cooldown_us;          /* -1: the router's; 0: never cools */
	const struct mw_price *price; /* NULL: unknown */
	struct mw_health *health; /* live numbers, shared by all threads and versions; never NULL */
	size_t series;            /* index of its metric cells (shared/metrics) */
};

#endif
