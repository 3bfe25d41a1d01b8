/* SPDX-License-Identifier: MIT
 *
 * What hooks cost: nanoseconds for each run, everything between the call of mw_hook_* and its
 * return included (guard, protection, handles, check of the answer). `make bench-hooks`.
 */
#include "../unit/script_world.h"

#include "script/embedded.h"

#include <stdlib.h>
#include <time.h>

struct subject {
	const char *name, *source; /* source NULL: the shipped policy of this name */
	enum mw_hook hook;
};

static const struct subject subjects[] = {
    {"empty admit", WORLD_HEAD("guard") "function P.admit(req, p) end" WORLD_TAIL, MW_HOOK_ADMIT},
    {"empty route", WORLD_HEAD("route") "function P.route(req, ups, p) end" WORLD_TAIL,
	MW_HOOK_ROUTE},
    {"read two fields",
	WORLD_HEAD("guard") "function P.admit(req) local a, b = req.model, req.key end" WORLD_TAIL,
	MW_HOOK_ADMIT},
    {"read a header",
	WORLD_HEAD("guard") "function P.admit(req) local a = req:header('x-team') end" WORLD_TAIL,
	MW_HOOK_ADMIT},
    {"set a tag",
	WORLD_HEAD("observe") "function P.complete(req) req:tag('team', 'blue') end" WORLD_TAIL,
	MW_HOOK_COMPLETE},
    {"reject",
	WORLD_HEAD("guard") "function P.admit() return mw.reject{ status = 429, message = 'slow' } "
			    "end" WORLD_TAIL,
	MW_HOOK_ADMIT},
    {"return ups[1]", WORLD_HEAD("route") "function P.route(req, ups) return ups[1] end" WORLD_TAIL,
	MW_HOOK_ROUTE},
    {"p2c in Lua",
	WORLD_HEAD("route") "local pair = mw.random.pair function P.route(req, ups) local i, j = "
			    "pair(#ups) local a, b = "
			    "ups[i], ups[j] if b.inflight < a.inflight then a, b = b, a end return "
			    "{ a, b } end" WORLD_TAIL,
	MW_HOOK_ROUTE},
    {"mw.order.min",
	WORLD_HEAD("route") "function P.route(req, ups) return mw.order.min(ups, 'inflight') "
			    "end" WORLD_TAIL,
	MW_HOOK_ROUTE},
    {"mw.pick.p2c",
	WORLD_HEAD("route") "function P.route(req, ups) return mw.pick.p2c(ups) end" WORLD_TAIL,
	MW_HOOK_ROUTE},
    {"plan with options",
	WORLD_HEAD("route") "function P.route(req, ups) return mw.plan{ ups[1], ups[2], attempts = "
			    "2 } end" WORLD_TAIL,
	MW_HOOK_ROUTE},
    {"simple-shuffle", NULL, MW_HOOK_ROUTE},
    {"least-busy", NULL, MW_HOOK_ROUTE},
    {"latency-based", NULL, MW_HOOK_ROUTE},
};

static const char *shipped(const char *name)
{
	struct mw_str text = mw_embedded_policy(mw_str(name));
	mw_require(text.p);
	return text.p;
}

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void run_once(struct world *w, enum mw_hook hook)
{
	struct mw_decision d;
	struct mw_plan plan;
	if (hook == MW_HOOK_ADMIT)
		mw_hook_admit(w->policies, &w->call, &d);
	else if (hook == MW_HOOK_ROUTE)
		mw_hook_route(w->policies, &w->call, w->candidates, WORLD_TARGETS, &plan);
	else
		mw_hook_complete(w->policies, &w->call);
}

/* The best of many short rounds: what is above it is the machine's. */
static double cost_ns(struct world *w, enum mw_hook hook)
{
	enum { RUNS = 1000, ROUNDS = 600 };
	double best = 1e9;
	for (int round = 0; round < ROUNDS; round++) {
		double begin = seconds();
		for (int i = 0; i < RUNS; i++)
			run_once(w, hook);
		double ns = (seconds() - begin) * 1e9 / RUNS;
		best = MW_MIN(best, ns);
		world_call(
		    w, "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}");
	}
	return best;
}

int main(void)
{
	printf("%-20s %8s\n", "hook", "ns/run");
	for (size_t i = 0; i < MW_LEN(subjects); i++) {
		const struct subject *s = &subjects[i];
		struct world *w = world_with(s->source ? s->source : shipped(s->name));
		struct mw_policy_tally tally;
		printf("%-20s %8.0f\n", s->name, cost_ns(w, s->hook));
		mw_policies_tally(w->policies, &tally);
		if (tally.errors) {
			fprintf(stderr, "%s raised %llu errors\n", s->name,
			    (unsigned long long)tally.errors);
			return 1;
		}
		world_free(w);
	}
	return 0;
}
