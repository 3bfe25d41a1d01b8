/* SPDX-License-Identifier: MIT
 *
 * Tokens of one attempt by kind, counted as OpenAI does: `prompt` is everything that was read,
 * cached and written to a cache included; `completion` is everything that was written, reasoning
 * included.
 */
#ifndef MW_USAGE_H
#define MW_USAGE_H

#include "base/base.h"

struct mw_usage {
	int64_t prompt;
	int64_t cached;         /* of prompt: read from the provider's cache */
	int64_t cache_write;    /* of prompt: written to it, for five minutes or by default */
	int64_t cache_write_1h; /* of prompt: written to it for an hour */
	int64_t audio_in;       /* of prompt, apart from what is cached */
	int64_t completion;
	int64_t reasoning; /* of completion */
	int64_t audio_out; /* of completion */
	bool reported;     /* the provider said so; else all of it is zero */
};

#endif
