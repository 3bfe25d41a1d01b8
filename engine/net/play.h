/* SPDX-License-Identifier: MIT
 *
 * An exchange that needs no network: it plays a scripted reply, piece by piece, each at its time, as if
 * it came from a server. The built-in demo provider and `mock_response` answer through it. Implements
 * base/exchange.h (pausing holds the clock of the script).
 */
#ifndef MW_PLAY_H
#define MW_PLAY_H

#include "base/env.h"

struct mw_play_piece {
	uint32_t after_us; /* since the piece before, or since the start */
	struct mw_str bytes;
};

/* All of it is borrowed until the exchange ends or is cancelled. */
struct mw_play_script {
	uint32_t head_after_us;
	int status;
	const struct mw_header *headers;
	size_t n_headers;
	const struct mw_play_piece *pieces;
	size_t n_pieces;
	uint32_t end_after_us;    /* after the last piece */
	enum mw_exchange_end end; /* how it ends; UNREACHABLE, CONNECT_TIMEOUT, LOCAL and NO_REPLY mean no head */
};

struct mw_exchange *mw_play_start(struct mw_env *env, const struct mw_play_script *script,
    const struct mw_exchange_events *events, void *arg);

#endif
