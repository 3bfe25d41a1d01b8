/* SPDX-License-Identifier: MIT
 *
 * Mailboxes: a locked list of messages and an eventfd that wakes the loop.
 */
#include "base/mailbox.h"

#include "base/list.h"
#include "base/mem.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct message {
	struct mw_list node;
	void (*fn)(void *arg);
	void *arg;
};

struct mw_mailbox {
	pthread_mutex_t lock; /* guards messages */
	struct mw_list messages;
	int fd;
	struct mw_watch *watch;
};

static struct message *take(struct mw_mailbox *m)
{
	pthread_mutex_lock(&m->lock);
	struct mw_list *node = mw_list_take(&m->messages);
	pthread_mutex_unlock(&m->lock);
	return node ? mw_container_of(node, struct message, node) : NULL;
}

static void run_all(struct mw_mailbox *m)
{
	for (struct message *l; (l = take(m));) {
		l->fn(l->arg);
		mw_mem_free(l);
	}
}

static void on_wake(void *arg)
{
	struct mw_mailbox *m = arg;
	uint64_t rings;
	if (read(m->fd, &rings, sizeof(rings)) < 0)
		return;
	run_all(m);
}

struct mw_mailbox *mw_mailbox_new(struct mw_loop *l)
{
	struct mw_mailbox *m = mw_mem_zalloc(sizeof(*m));
	pthread_mutex_init(&m->lock, NULL);
	mw_list_init(&m->messages);
	m->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	mw_require(m->fd >= 0);
	m->watch = mw_loop_watch(l, m->fd, on_wake, m);
	return m;
}

void mw_mailbox_free(struct mw_mailbox *m)
{
	if (!m)
		return;
	mw_loop_unwatch(m->watch);
	run_all(m);
	close(m->fd);
	pthread_mutex_destroy(&m->lock);
	mw_mem_free(m);
}

void mw_mailbox_post(struct mw_mailbox *m, void (*fn)(void *arg), void *arg)
{
	struct message *l = mw_mem_alloc(sizeof(*l));
	*l = (struct message){.fn = fn, .arg = arg};
	uint64_t ring = 1;
	/* Rung inside the lock: the message may tell its reader to leave, and the reader, awake already,
	 * would free the mailbox between our putting the message in and our ringing. */
	pthread_mutex_lock(&m->lock);
	mw_list_add(&m->messages, &l->node);
	ssize_t n = write(m->fd, &ring, sizeof(ring));
	pthread_mutex_unlock(&m->lock);
	mw_require(n == sizeof(ring));
}
