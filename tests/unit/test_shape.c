/* SPDX-License-Identifier: MIT
 *
 * script/shape: lists of names as a tree.
 */
#include "base/arena.h"
#include "script/shape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct mw_shapes shapes;

static uint16_t add(uint16_t parent, const char *name)
{
	return mw_shape_add(&shapes, parent, mw_str(name));
}

static void lists_are_found_by_their_names_in_order(void **state)
{
	(void)state;
	mw_shape_reset(&shapes);
	uint16_t role = add(MW_SHAPE_ROOT, "role"), content = add(role, "content");
	uint16_t other = add(MW_SHAPE_ROOT, "content");
	assert_int_equal(mw_shape_next(&shapes, MW_SHAPE_ROOT, MW_STR("role")), role);
	assert_int_equal(mw_shape_next(&shapes, role, MW_STR("content")), content);
	assert_int_equal(mw_shape_next(&shapes, MW_SHAPE_ROOT, MW_STR("content")), other);
	assert_int_equal(mw_shape_next(&shapes, MW_SHAPE_ROOT, MW_STR("content")), other);
	assert_int_equal(mw_shape_next(&shapes, role, MW_STR("name")), 0);
	assert_int_equal(mw_shape_next(&shapes, role, MW_STR("conten")), 0);
	assert_int_equal(shapes.at[content].count, 2);
	assert_true(mw_shape_has(&shapes, content, MW_STR("role")));
	assert_true(mw_shape_has(&shapes, content, MW_STR("content")));
	assert_false(mw_shape_has(&shapes, other, MW_STR("role")));
}

static void names_and_lists_have_a_longest(void **state)
{
	(void)state;
	mw_shape_reset(&shapes);
	char name[MW_SHAPE_LENGTH + 2] = "";
	memset(name, 'x', MW_SHAPE_LENGTH);
	assert_int_not_equal(add(MW_SHAPE_ROOT, name), 0);
	name[MW_SHAPE_LENGTH] = 'x';
	assert_int_equal(add(MW_SHAPE_ROOT, name), 0);
	uint16_t at = MW_SHAPE_ROOT;
	for (int i = 0; i < MW_SHAPE_NAMES; i++) {
		at = add(at, "same");
		assert_int_not_equal(at, 0);
	}
	assert_int_equal(add(at, "same"), 0);
}

static void a_full_tree_takes_nothing_until_it_is_reset(void **state)
{
	(void)state;
	mw_shape_reset(&shapes);
	struct mw_arena *a = mw_arena_new();
	int added = 0;
	for (int i = 0; i < 2 * MW_SHAPES; i++) {
		struct mw_str name = mw_arena_printf(a, "name%d", i);
		uint16_t shape = mw_shape_add(&shapes, MW_SHAPE_ROOT, name);
		added += shape != 0;
		assert_int_equal(mw_shape_find(&shapes, MW_SHAPE_ROOT, name), shape);
	}
	assert_int_equal(added, MW_SHAPES - 2);
	assert_true(mw_shape_full(&shapes));
	mw_shape_reset(&shapes);
	assert_int_equal(mw_shape_find(&shapes, MW_SHAPE_ROOT, MW_STR("name1")), 0);
	assert_int_not_equal(add(MW_SHAPE_ROOT, "name1"), 0);
	mw_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lists_are_found_by_their_names_in_order),
	    cmocka_unit_test(names_and_lists_have_a_longest),
	    cmocka_unit_test(a_full_tree_takes_nothing_until_it_is_reset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
