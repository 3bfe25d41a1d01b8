/* SPDX-License-Identifier: MIT
 *
 * Looking up what was built into the binary.
 */
#include "script/embedded.h"

#include <stdio.h>

struct mw_str mw_embedded_text(const char *path)
{
	for (const struct mw_embedded *e = mw_embedded; e->path; e++)
		if (strcmp(e->path, path) == 0)
			return mw_strn(e->begin, (size_t)(e->end - e->begin));
	return MW_NOSTR;
}

/* "latency-based, least-busy, simple-shuffle" */
static struct mw_str policy_names(void)
{
	static const struct mw_str folder = {"policies/", 9}, ending = {".lua", 4};
	static char names[512];
	size_t n = 0;
	for (const struct mw_embedded *e = mw_embedded; e->path; e++) {
		struct mw_str path = mw_str(e->path);
		if (mw_str_starts(path, folder) && n < sizeof(names))
			n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%.*s", n ? ", " : "",
			    (int)(path.n - folder.n - ending.n), path.p + folder.n);
	}
	return mw_str(names);
}

struct mw_str mw_embedded_policy(struct mw_str name)
{
	char path[128];
	if (!name.n)
		return policy_names();
	snprintf(path, sizeof(path), "policies/%.*s.lua", MW_FMT(name));
	return mw_embedded_text(path);
}
