/* SPDX-License-Identifier: MIT
 *
 * Strings of JSON from their plain form to the quoted one and back.
 */
#include "base/json.h"
#include "base/json_scan.h"

static const char replacement[] = "\xef\xbf\xbd";

static void add_escape(struct mw_buf *b, unsigned char c)
{
	static const char letters[] = {['\b'] = 'b',
	    ['\f'] = 'f',
	    ['\n'] = 'n',
	    ['\r'] = 'r',
	    ['\t'] = 't',
	    ['"'] = '"',
	    ['\\'] = '\\'};
	static const char hex[] = "0123456789abcdef";
	if (letters[c])
		mw_buf_add(b, mw_strn((char[]){'\\', letters[c]}, 2));
	else
		mw_buf_add(b, mw_strn((char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6));
}

/* From a byte that is not plain to the next one that is; adds what it must. */
static const char *quote_special(struct mw_buf *b, const char *p, const char *end)
{
	const char *begin = p;
	if ((unsigned char)*p < 0x80) {
		add_escape(b, (unsigned char)*p);
		return p + 1;
	}
	for (size_t n; p < end && (unsigned char)*p >= 0x80; p += n) {
		n = mw_json_scan_utf8(p, end);
		if (n)
			continue;
		mw_buf_add(b, mw_strn(begin, (size_t)(p - begin)));
		mw_buf_add(b, mw_strn(replacement, 3));
		return p + 1;
	}
	mw_buf_add(b, mw_strn(begin, (size_t)(p - begin)));
	return p;
}

void mw_json_quote(struct mw_buf *b, struct mw_str text)
{
	const char *p = text.p, *end = p ? p + text.n : p;
	mw_buf_addc(b, '"');
	while (p < end) {
		const char *special = mw_json_scan_plain(p, end);
		mw_buf_add(b, mw_strn(p, (size_t)(special - p)));
		p = special < end ? quote_special(b, special, end) : special;
	}
	mw_buf_addc(b, '"');
}
