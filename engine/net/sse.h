/* SPDX-License-Identifier: MIT
 *
 * Server-sent events: bytes in, events out, whatever the cuts. Takes LF, CR and CRLF as line ends
 * (also split between two feeds), one BOM at the start, comments, several data lines, unknown
 * fields. An event larger than the ceiling is a fault. A last event without its empty line is given
 * by mw_sse_finish.
 */
#ifndef MW_SSE_H
#define MW_SSE_H

#include "base/buf.h"

struct mw_sse {
	struct mw_buf held; /* the part of an event that did not end in the last feed */
	struct mw_buf data; /* data lines of an event that has several */
	size_t max;
	/* Where in the grammar the last byte left us, so that no byte is scanned twice: */
	uint8_t bom;   /* bytes of a BOM seen at the start; 4 is past it */
	bool in_line;  /* the present line has bytes */
	bool after_cr; /* the last byte was a CR: an LF that follows is part of it */
	bool crlf;     /* the last line ended with CRLF */
	bool ending;   /* the CR of an event's empty line is there; the line before had an LF too */
};

struct mw_sse_event {
	struct mw_str name; /* of the last `event:` line, or empty */
	/* Data lines joined with LF; never empty: events without data are not given. */
	struct mw_str data;
	/* The bytes of the event as they came, with the comments before it, up to and with its
	 * empty line. (Where line ends are mixed, the LF of a last CRLF may stand at the start of
	 * the next event.) A BOM is in none, nor are blocks that hold no event: heartbeats. */
	struct mw_str raw;
};

/* Gives one event; slices live until it returns. False stops the feed. */
typedef bool (*mw_sse_fn)(void *arg, const struct mw_sse_event *event);

void mw_sse_init(struct mw_sse *s, size_t max_event);
void mw_sse_deinit(struct mw_sse *s);

enum mw_sse_result {
	MW_SSE_OK,
	MW_SSE_STOPPED,	  /* the callback returned false */
	MW_SSE_TOO_LARGE, /* an event beyond the ceiling */
};

/* A whole event inside `bytes` is given as slices of `bytes`: nothing is copied. Each byte is
 * looked at a fixed number of times, however the stream is cut. The decoder may be deinitialised
 * from inside the callback if that returns false. After anything but OK only mw_sse_deinit may
 * follow. */
enum mw_sse_result mw_sse_feed(struct mw_sse *s, struct mw_str bytes, mw_sse_fn fn, void *arg);
/* The stream ended cleanly: a last event whose empty line is missing still counts. */
enum mw_sse_result mw_sse_finish(struct mw_sse *s, mw_sse_fn fn, void *arg);

#endif
