/* SPDX-License-Identifier: MIT
 *
 * Figures of the process, from /proc.
 */
#include "shared/process.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

static void put(
    struct mw_buf *b, const char *name, const char *type, const char *help, double value)
{
	mw_buf_addf(
	    b, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", name, help, name, type, name, value);
}

/* Fields of /proc/self/stat by their number in proc(5); the name in brackets may hold anything. */
static bool read_stat(
    unsigned long long *utime, unsigned long long *stime, unsigned long long *start, long *pages)
{
	char line[1024];
	FILE *f = fopen("/proc/self/stat", "re");
	if (!f)
		return false;
	size_t n = fread(line, 1, sizeof(line) - 1, f);
	fclose(f);
	line[n] = '\0';
	const char *after = strrchr(line, ')');
	return after && sscanf(after + 1,
			    " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d "
			    "%*d %*d %*d %llu %*u %ld",
			    utime, stime, start, pages) == 4;
}

/* When the machine started, seconds since 1970; 0: unknown. */
static unsigned long long boot_time(void)
{
	char line[256];
	unsigned long long seconds = 0;
	FILE *f = fopen("/proc/stat", "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "btime %llu", &seconds) == 1)
			break;
	fclose(f);
	return seconds;
}

static size_t open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	if (!dir)
		return 0;
	size_t n = 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n > 3 ? n - 3 : 0; /* ".", ".." and the folder itself */
}

void mw_process_write(struct mw_buf *b)
{
	mw_buf_addz(b,
	    "# HELP moonweir_build_info The version that runs.\n# TYPE moonweir_build_info gauge\n"
	    "moonweir_build_info{version=\"" MW_VERSION "\"} 1\n");
	unsigned long long utime, stime, start;
	long pages;
	if (!read_stat(&utime, &stime, &start, &pages))
		return;
	double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
	put(b, "process_cpu_seconds_total", "counter",
	    "Processor time of user and system, in seconds.", (double)(utime + stime) * tick);
	put(b, "process_resident_memory_bytes", "gauge", "Resident memory, in bytes.",
	    (double)pages * (double)sysconf(_SC_PAGESIZE));
	unsigned long long boot = boot_time();
	if (boot)
		put(b, "process_start_time_seconds", "gauge",
		    "Start of the process, in seconds since 1970.",
		    (double)boot + (double)start * tick);
	put(b, "process_open_fds", "gauge", "Open file descriptors.", (double)open_files());
}
