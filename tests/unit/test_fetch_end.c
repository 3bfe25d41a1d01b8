/* SPDX-License-Identifier: MIT
 *
 * Tests of net/fetch_end.
 */
#include "net/fetch_end.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void an_end_is_read_from_what_libcurl_says(void **state)
{
	static const struct {
		struct mw_fetch_end said;
		enum mw_exchange_end end;
		const char *words;
	} cases[] = {
	    {{.code = CURLE_OK, .head_given = true, .sent = true}, MW_END_OK, ""},
	    {{.code = CURLE_OK, .sent = true}, MW_END_NO_REPLY,
		"host:1 closed the connection before it answered"},
	    {{.code = CURLE_PARTIAL_FILE, .sent = true, .head_given = true}, MW_END_CUT,
		"host:1 closed the connection inside its answer"},
	    {{.code = CURLE_RECV_ERROR, .sent = true, .why = "Failure in chunked-encoding"},
		MW_END_MALFORMED, "what came from host:1 is not HTTP: Failure in chunked-encoding"},
	    {{.code = CURLE_OPERATION_TIMEDOUT}, MW_END_CONNECT_TIMEOUT,
		"no connection to host:1 in time"},
	    {{.code = CURLE_COULDNT_CONNECT, .os_error = ECONNREFUSED}, MW_END_UNREACHABLE,
		"connection refused by host:1"},
	    {{.code = CURLE_COULDNT_CONNECT,
		 .os_error = ECONNREFUSED,
		 .why = "Failed to connect to proxy port 3128 after 1 ms"},
		MW_END_UNREACHABLE, "connection refused by proxy:3128"},
	    /* for want of something here */
	    {{.code = CURLE_COULDNT_CONNECT, .os_error = EMFILE}, MW_END_LOCAL,
		"no connection to host:1: Too many open files"},
	    {{.code = CURLE_COULDNT_CONNECT, .os_error = EADDRNOTAVAIL}, MW_END_LOCAL,
		"no connection to host:1: Cannot assign requested address"},
	    {{.code = CURLE_COULDNT_RESOLVE_HOST, .why = "getaddrinfo() thread failed to start"},
		MW_END_LOCAL, "no connection to host:1: getaddrinfo() thread failed to start"},
	    {{.code = CURLE_SSL_CACERT_BADFILE}, MW_END_LOCAL, "no connection to host:1"},
	    /* … which the last of several addresses does not say */
	    {{.code = CURLE_COULDNT_CONNECT, .os_error = EADDRNOTAVAIL, .ipv6 = true},
		MW_END_UNREACHABLE, "no connection to host:1: Couldn't connect to server"},
	};
	(void)state;
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		char text[MW_FETCH_END_TEXT];
		struct mw_fetch_end said = cases[i].said;
		said.why = said.why ? said.why : "";
		mw_fetch_end_text(&said, MW_STR("https://me:secret@host:1/path?key=x"), text);
		assert_string_equal(text, cases[i].words);
		assert_int_equal(mw_fetch_end_of(&said), cases[i].end);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_end_is_read_from_what_libcurl_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
