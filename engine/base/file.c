/* SPDX-License-Identifier: MIT
 *
 * Whole files.
 */
#include "base/file.h"

#include "base/buf.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MW_FILE_WAIT_MS
#define MW_FILE_WAIT_MS 10000
#endif

static bool refuse(const char *path, const char *why, struct mw_err *err)
{
	return mw_err_set(err, MW_ERR_SETTINGS, "%s: %s", path, why);
}

/* Reads to the end, whatever fstat may say of the size: it may be a pipe, into which somebody has to
 * write before long. */
static bool read_all(int fd, struct mw_buf *b)
{
	enum { PIECE = 65536 };
	for (;;) {
		if (!mw_buf_reserve(b, MW_MIN((size_t)PIECE, b->max - b->n))) {
			errno = ENOMEM;
			return false;
		}
		size_t room = MW_MIN(b->cap, b->max) - b->n;
		if (room == 0)
			return true;
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		int some = poll(&ready, 1, MW_FILE_WAIT_MS);
		if (some < 0 && errno == EINTR)
			continue; /* a read would say that it has nothing yet */
		if (some == 0) {
			errno = ETIMEDOUT;
			return false;
		}
		ssize_t n = read(fd, b->p + b->n, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		b->n += (size_t)n;
	}
}

bool mw_file_read(
    const char *path, size_t max, struct mw_arena *a, struct mw_str *out, struct mw_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe would wait for a writer */
	if (fd < 0)
		return refuse(path, strerror(errno), err);
	struct mw_buf b;
	mw_buf_init(&b, max + 1); /* one more shows that there is more */
	bool good = read_all(fd, &b);
	int why = errno;
	close(fd);
	if (!good)
		refuse(path, strerror(why), err);
	else if (b.n > max)
		good = mw_err_set(
		    err, MW_ERR_SETTINGS, "%s: it is larger than %zu KiB", path, max / 1024);
	else
		*out = mw_arena_dup(a, mw_buf_str(&b));
	mw_buf_deinit(&b);
	return good;
}

uint64_t mw_file_stamp(const char *path)
{
	struct stat s;
	if (stat(path, &s) != 0)
		return (uint64_t)errno;
	const uint64_t facts[] = {(uint64_t)s.st_dev, (uint64_t)s.st_ino, (uint64_t)s.st_size,
	    (uint64_t)s.st_mtim.tv_sec, (uint64_t)s.st_mtim.tv_nsec, (uint64_t)s.st_ctim.tv_sec,
	    (uint64_t)s.st_ctim.tv_nsec, (uint64_t)s.st_mode};
	return mw_hash_stable(mw_strn((const char *)facts, sizeof(facts)));
}
