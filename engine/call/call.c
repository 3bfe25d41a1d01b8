/* SPDX-License-Identifier: MIT
 *
 * The names of the body members that C looks at.
 */
#include "call/call.h"

const struct mw_str mw_call_members[MW_MEMBERS] = {
#define MW_MEMBER(id, name, kind, whose) {name, sizeof(name) - 1},
#include "call/members.def"
#undef MW_MEMBER
};
