/* SPDX-License-Identifier: MIT
 *
 * Chunked bodies, byte by byte where there is framing and in pieces where there is data. A lone LF,
 * an extension that hides a line end, a sign, a space or 0x before a size are each how somebody
 * once smuggled a request past a more patient reader.
 */
#include "net/http_chunked.h"

enum { MAX_DIGITS = 16, MAX_EXTENSION = 256, MAX_TRAILERS = 8192 };

enum state {
	SIZE,
	EXTENSION,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER_START,
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	END_LF,
	ENDED,
};

static const char *const wanted[] = {
    [SIZE] = "a chunk size is 1 to 16 hexadecimal digits and then CR LF",
    [EXTENSION] = "a chunk extension may not hold control characters",
    [SIZE_LF] = "after the CR of a chunk size comes LF",
    [DATA_CR] = "after a chunk's data comes CR LF; the data is longer than its size",
    [DATA_LF] = "after a chunk's data comes CR LF",
    [TRAILER_START] = "after the last chunk comes a trailer field or an empty line",
    [TRAILER_NAME] = "a trailer field is a name, and a colon that follows at once",
    [TRAILER_VALUE] = "a trailer field may not hold control characters",
    [TRAILER_LF] = "after the CR of a trailer field comes LF",
    [END_LF] = "the body ends with CR LF",
};

static bool go(struct mw_http_chunked *c, bool right, enum state next)
{
	if (right)
		c->state = next;
	return right;
}

static bool size_byte(struct mw_http_chunked *c, unsigned char b)
{
	int digit = mw_str_hex((char)b);
	if (digit >= 0) {
		c->left = c->left << 4 | (unsigned)digit;
		return ++c->digits <= MAX_DIGITS;
	}
	if (b == ';')
		return go(c, c->digits > 0, EXTENSION);
	return go(c, c->digits > 0 && b == '\r', SIZE_LF);
}

static bool text_byte(struct mw_http_chunked *c, unsigned char b, enum state after_cr)
{
	if (b == '\r')
		return go(c, true, after_cr);
	char byte = (char)b;
	return mw_http_parse_is_value(mw_strn(&byte, 1));
}

static bool name_byte(struct mw_http_chunked *c, unsigned char b)
{
	if (b == ':')
		return go(c, c->state == TRAILER_NAME, TRAILER_VALUE);
	if (b == '\r')
		return go(c, c->state == TRAILER_START, END_LF);
	char byte = (char)b;
	return go(c, mw_http_parse_is_token(mw_strn(&byte, 1)), TRAILER_NAME);
}

static bool after_size(struct mw_http_chunked *c, unsigned char b)
{
	c->digits = c->extension_bytes = 0;
	return go(c, b == '\n', c->left ? DATA : TRAILER_START);
}

/* One byte of framing; false if it may not stand there. */
static bool take_byte(struct mw_http_chunked *c, unsigned char b)
{
	switch ((enum state)c->state) {
	case SIZE:
		return size_byte(c, b);
	case EXTENSION:
		return text_byte(c, b, SIZE_LF);
	case SIZE_LF:
		return after_size(c, b);
	case DATA_CR:
		return go(c, b == '\r', DATA_LF);
	case DATA_LF:
		return go(c, b == '\n', SIZE);
	case TRAILER_START:
	case TRAILER_NAME:
		return name_byte(c, b);
	case TRAILER_VALUE:
		return text_byte(c, b, TRAILER_LF);
	case TRAILER_LF:
		return go(c, b == '\n', TRAILER_START);
	case END_LF:
		return go(c, b == '\n', ENDED);
	case DATA:
	case ENDED:
		break;
	}
	return false;
}

static bool within_bounds(struct mw_http_chunked *c, struct mw_err *err)
{
	if (c->state == EXTENSION && ++c->extension_bytes > MAX_EXTENSION)
		return mw_err_set(err, MW_ERR_BAD_REQUEST,
		    "a chunk extension is longer than %d bytes", MAX_EXTENSION);
	if (c->state >= TRAILER_NAME && ++c->trailer_bytes > MAX_TRAILERS)
		return mw_err_set(err, MW_ERR_HEAD_TOO_LARGE, "the trailer is larger than %d bytes",
		    MAX_TRAILERS);
	return true;
}

uint64_t mw_http_chunked_left(const struct mw_http_chunked *c)
{
	return c->state == DATA ? c->left : 0;
}

void mw_http_chunked_skip(struct mw_http_chunked *c, uint64_t n)
{
	mw_require(n <= mw_http_chunked_left(c));
	c->left -= n;
}

static void take_data(struct mw_http_chunked *c, struct mw_str *raw, struct mw_str *data)
{
	*data = mw_strn(raw->p, (size_t)MW_MIN((uint64_t)raw->n, c->left));
	*raw = mw_strn(raw->p + data->n, raw->n - data->n);
	mw_http_chunked_skip(c, data->n);
}

enum mw_http_parsed mw_http_chunked_feed(
    struct mw_http_chunked *c, struct mw_str *raw, struct mw_str *data, struct mw_err *err)
{
	*data = MW_NOSTR;
	while (raw->n && c->state != ENDED) {
		if (mw_http_chunked_left(c)) {
			take_data(c, raw, data);
			return MW_HTTP_MORE;
		}
		if (c->state == DATA)
			c->state = DATA_CR;
		enum state before = (enum state)c->state;
		if (!take_byte(c, (unsigned char)raw->p[0])) {
			mw_err_set(err, MW_ERR_BAD_REQUEST, "the chunked body is malformed: %s",
			    wanted[before]);
			return MW_HTTP_BAD;
		}
		*raw = mw_strn(raw->p + 1, raw->n - 1);
		if (!within_bounds(c, err))
			return MW_HTTP_BAD;
	}
	return c->state == ENDED ? MW_HTTP_DONE : MW_HTTP_MORE;
}
