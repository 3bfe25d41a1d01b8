/* SPDX-License-Identifier: MIT
 *
 * The names of the body members that C looks at.
 */
#include "call/call.h"

const struct mw_str mw_call_members[MW_MEMBERS] = {
    [MW_M_MODEL] = {"model", 5},
    [MW_M_STREAM] = {"stream", 6},
    [MW_M_MESSAGES] = {"messages", 8},
    [MW_M_INPUT] = {"input", 5},
    [MW_M_STREAM_OPTIONS] = {"stream_options", 14},
    [MW_M_USER] = {"user", 4},
    [MW_M_METADATA] = {"metadata", 8},
    [MW_M_MAX_TOKENS] = {"max_tokens", 10},
    [MW_M_MAX_COMPLETION_TOKENS] = {"max_completion_tokens", 21},
    [MW_M_N] = {"n", 1},
    [MW_M_FALLBACKS] = {"fallbacks", 9},
    [MW_M_NUM_RETRIES] = {"num_retries", 11},
    [MW_M_TIMEOUT] = {"timeout", 7},
    [MW_M_STREAM_TIMEOUT] = {"stream_timeout", 14},
    [MW_M_MOCK_RESPONSE] = {"mock_response", 13},
    [MW_M_TAGS] = {"tags", 4},
};
