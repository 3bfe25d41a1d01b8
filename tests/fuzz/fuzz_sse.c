/* SPDX-License-Identifier: MIT
 *
 * net/sse must give the same events whatever the cuts: the text is fed whole, byte by byte and in
 * pieces that the input itself chooses, and what comes out is compared.
 */
#include "net/sse.h"

#include <stdlib.h>

enum { CEILING = 512 };

struct out {
	struct mw_buf text;
	size_t n;
};

static void note(struct mw_buf *b, struct mw_str s)
{
	mw_buf_addu(b, s.n, 0);
	mw_buf_addc(b, ':');
	mw_buf_add(b, s);
}

static bool on_event(void *arg, const struct mw_sse_event *ev)
{
	struct out *o = arg;
	mw_require(ev->data.n > 0 && ev->raw.n <= CEILING);
	note(&o->text, ev->name);
	note(&o->text, ev->data);
	note(&o->text, ev->raw);
	return ++o->n < 100;
}

/* steps: the sizes of the pieces, over and over; none for all at once. */
static enum mw_sse_result play(struct mw_str text, struct mw_str steps, struct out *out)
{
	struct mw_sse s;
	enum mw_sse_result r = MW_SSE_OK;
	size_t i = 0;
	*out = (struct out){0};
	mw_buf_init(&out->text, 64u << 20);
	mw_sse_init(&s, CEILING);
	while (text.n && r == MW_SSE_OK) {
		size_t want = steps.n ? (unsigned char)steps.p[i++ % steps.n] % 17 : text.n;
		size_t n = MW_MIN(MW_MAX(want, (size_t)1), text.n);
		char *piece = malloc(n); /* its own block, so that reading past it is seen */
		mw_require(piece);
		memcpy(piece, text.p, n);
		r = mw_sse_feed(&s, mw_strn(piece, n), on_event, out);
		free(piece);
		text = mw_strn(text.p + n, text.n - n);
	}
	if (r == MW_SSE_OK)
		r = mw_sse_finish(&s, on_event, out);
	mw_sse_deinit(&s);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mw_str all = mw_strn((const char *)data, size);
	size_t head = MW_MIN(size, (size_t)4);
	struct mw_str steps[] = {mw_strn(all.p, head), MW_STR("\1"), MW_STR("\2\1\3")};
	struct mw_str text = mw_strn(all.p + head, all.n - head);
	struct out whole, cut;
	enum mw_sse_result r = play(text, MW_NOSTR, &whole);
	for (size_t i = 0; i < MW_LEN(steps); i++) {
		mw_require(play(text, steps[i], &cut) == r);
		mw_require(mw_str_eq(mw_buf_str(&cut.text), mw_buf_str(&whole.text)));
		mw_buf_deinit(&cut.text);
	}
	mw_buf_deinit(&whole.text);
	return 0;
}
