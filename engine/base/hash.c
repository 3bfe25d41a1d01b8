/* SPDX-License-Identifier: MIT
 *
 * SipHash-1-3 (Aumasson, Bernstein), FNV-1a, and xoshiro256** (Blackman, Vigna).
 */
#include "base/hash.h"

#include <pthread.h>
#include <sys/random.h>

static uint64_t rotl(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

static uint64_t process_key[2];
static pthread_once_t keyed = PTHREAD_ONCE_INIT;

static void make_key(void)
{
	process_key[0] = mw_system_random();
	process_key[1] = mw_system_random();
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1], v[1] = rotl(v[1], 13), v[1] ^= v[0], v[0] = rotl(v[0], 32);
	v[2] += v[3], v[3] = rotl(v[3], 16), v[3] ^= v[2];
	v[0] += v[3], v[3] = rotl(v[3], 21), v[3] ^= v[0];
	v[2] += v[1], v[1] = rotl(v[1], 17), v[1] ^= v[2], v[2] = rotl(v[2], 32);
}

static uint64_t read_le(const char *p, size_t n)
{
	uint64_t w = 0;
	for (size_t i = 0; i < n; i++)
		w |= (uint64_t)(unsigned char)p[i] << (8 * i);
	return w;
}

uint64_t mw_hash(struct mw_str s)
{
	pthread_once(&keyed, make_key);
	uint64_t v[4] = {process_key[0] ^ 0x736f6d6570736575u, process_key[1] ^ 0x646f72616e646f6du,
	    process_key[0] ^ 0x6c7967656e657261u, process_key[1] ^ 0x7465646279746573u};
	size_t at = 0;
	for (; at + 8 <= s.n; at += 8) {
		uint64_t w = read_le(s.p + at, 8);
		v[3] ^= w;
		sip_round(v);
		v[0] ^= w;
	}
	uint64_t last = read_le(s.p + at, s.n - at) | (uint64_t)(s.n & 255) << 56;
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 255;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t mw_hash_stable(struct mw_str s)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
	return h;
}

void mw_rng_seed(struct mw_rng *r, uint64_t seed)
{
	for (size_t i = 0; i < MW_LEN(r->s); i++) { /* splitmix64 */
		uint64_t z = seed += 0x9e3779b97f4a7c15u;
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
		z = (z ^ z >> 27) * 0x94d049bb133111ebu;
		r->s[i] = z ^ z >> 31;
	}
}

uint64_t mw_rng_next(struct mw_rng *r)
{
	uint64_t *s = r->s;
	uint64_t result = rotl(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

double mw_rng_unit(struct mw_rng *r)
{
	return (double)(mw_rng_next(r) >> 11) * 0x1p-53;
}

uint64_t mw_system_random(void)
{
	uint64_t v;
	mw_require(getrandom(&v, sizeof(v), 0) == sizeof(v));
	return v;
}

bool mw_equal_secret(struct mw_str a, struct mw_str b)
{
	if (a.n != b.n)
		return false;
	unsigned char differs = 0;
	for (size_t i = 0; i < a.n; i++)
		differs |= (unsigned char)(a.p[i] ^ b.p[i]);
	return differs == 0;
}
