/* SPDX-License-Identifier: MIT
 *
 * The body's members that C looks at: their names, and where they are.
 */
#include "call/call.h"

const struct mw_str mw_call_members[MW_MEMBERS] = {
#define MW_MEMBER(id, name, kind, whose) {name, sizeof(name) - 1},
#include "call/members.def"
#undef MW_MEMBER
};

const struct mw_str mw_call_foreign[MW_FOREIGNS] = {
    {"cache_control", 13},
    {"thinking_blocks", 15},
    {"reasoning_content", 17},
    {"provider_specific_fields", 24},
    {"extra_content", 13},
};

bool mw_call_find_members(struct mw_call *call, struct mw_json *root, struct mw_err *err)
{
	struct mw_json_look look = {
	    .names = mw_call_members,
	    .found = call->members,
	    .n = MW_MEMBERS,
	    .deep = mw_call_foreign,
	    .n_deep = MW_FOREIGNS,
	};
	bool ok = mw_json_peek(call->body, &look, root, err);
	call->foreign = look.met;
	return ok;
}
