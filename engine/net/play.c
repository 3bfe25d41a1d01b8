/* SPDX-License-Identifier: MIT
 *
 * Plays a scripted reply on the environment's clock. Times are counted from when a piece was due,
 * not from when its timer fired, so that a long script does not drift.
 */
#include "net/play.h"

#include "base/list.h"
#include "base/mem.h"

struct play {
	struct mw_exchange base;
	struct mw_env *env;
	const struct mw_play_script *script;
	const struct mw_exchange_events *events;
	void *arg;
	struct mw_timer timer;
	uint64_t due;  /* when the next thing happens; while paused: how long after the resume */
	size_t pieces; /* how many were given */
	bool head_given, paused, in_callback, cancelled;
};

static const char *const words[] = {
    [MW_END_OK] = "",
    [MW_END_UNREACHABLE] = "the script refuses the connection",
    [MW_END_CONNECT_TIMEOUT] = "the script lets the connection time out",
    [MW_END_LOCAL] = "the script has this machine fail",
    [MW_END_NO_REPLY] = "the script closes the connection before it answers",
    [MW_END_CUT] = "the script cuts the connection inside the reply",
    [MW_END_MALFORMED] = "the script answers with what is not HTTP",
};

static bool has_head(const struct mw_play_script *script)
{
	return script->end != MW_END_UNREACHABLE && script->end != MW_END_CONNECT_TIMEOUT &&
	       script->end != MW_END_LOCAL && script->end != MW_END_NO_REPLY;
}

static void free_play(struct play *p)
{
	mw_timer_del(p->env, &p->timer);
	mw_mem_free(p);
}

static void set_timer(struct play *p)
{
	uint64_t now = mw_env_now(p->env);
	mw_timer_set(p->env, &p->timer, p->due > now ? p->due - now : 0);
}

static void give_end(struct play *p)
{
	struct mw_exchange_result result = {.end = p->script->end, .text = words[p->script->end]};
	p->events->on_end(p->arg, &result);
	free_play(p);
}

static void give_head(struct play *p)
{
	struct mw_exchange_head head = {
	    p->script->status, p->script->headers, p->script->n_headers};
	p->head_given = true;
	if (has_head(p->script))
		p->events->on_head(p->arg, &head);
}

static void give_piece(struct play *p)
{
	struct mw_str bytes = p->script->pieces[p->pieces++].bytes;
	if (bytes.n)
		p->events->on_bytes(p->arg, bytes);
}

/* Gives what is due now and says how long after it the next thing is due. The script is not looked
 * at behind the callback: it may be gone then. */
static uint64_t step(struct play *p)
{
	const struct mw_play_script *script = p->script;
	size_t n = has_head(script) ? script->n_pieces : 0;
	size_t next = p->head_given ? p->pieces + 1 : 0;
	uint64_t after = next < n ? script->pieces[next].after_us : script->end_after_us;
	if (!p->head_given)
		give_head(p);
	else
		give_piece(p);
	return after;
}

static bool at_end(const struct play *p)
{
	return p->head_given && (p->pieces == p->script->n_pieces || !has_head(p->script));
}

static void on_timer(void *arg)
{
	struct play *p = arg;
	p->in_callback = true;
	if (at_end(p)) {
		give_end(p);
		return;
	}
	uint64_t after = step(p);
	p->in_callback = false;
	if (p->cancelled) {
		free_play(p);
		return;
	}
	p->due = p->paused ? after : p->due + after;
	if (!p->paused)
		set_timer(p);
}

static void pause_play(struct mw_exchange *x)
{
	struct play *p = mw_container_of(x, struct play, base);
	if (p->paused)
		return;
	p->paused = true;
	if (p->in_callback)
		return;
	uint64_t now = mw_env_now(p->env);
	mw_timer_del(p->env, &p->timer);
	p->due = p->due > now ? p->due - now : 0;
}

static void resume_play(struct mw_exchange *x)
{
	struct play *p = mw_container_of(x, struct play, base);
	if (!p->paused)
		return;
	p->paused = false;
	if (p->in_callback)
		return;
	p->due += mw_env_now(p->env);
	set_timer(p);
}

static void cancel_play(struct mw_exchange *x)
{
	struct play *p = mw_container_of(x, struct play, base);
	p->cancelled = true;
	if (!p->in_callback)
		free_play(p);
}

static bool sent(const struct mw_exchange *x)
{
	(void)x;
	return true;
}

static const struct mw_exchange_ops ops = {pause_play, resume_play, cancel_play, sent};

struct mw_exchange *mw_play_start(struct mw_env *env, const struct mw_play_script *script,
    const struct mw_exchange_events *events, void *arg)
{
	struct play *p = mw_mem_zalloc(sizeof(*p));
	p->base.ops = &ops;
	p->env = env;
	p->script = script;
	p->events = events;
	p->arg = arg;
	p->due = mw_env_now(env) + script->head_after_us;
	mw_timer_init(&p->timer, on_timer, p);
	set_timer(p);
	return &p->base;
}
