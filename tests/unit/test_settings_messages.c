/* SPDX-License-Identifier: MIT
 *
 * shared/settings: every kind of warning and fault, word for word and with its line.
 */
#include "settings_world.h"

#include "base/buf.h"

/* ---- warnings -------------------------------------------------------------------------------- */

struct message {
	const char *yaml, *says; /* the whole of it */
};

#define PARAMS(more)                                                                               \
	"model_list:\n- model_name: m\n  litellm_params:\n    model: openai/x\n    " more "\n"
#define C "config.yaml:"

static const struct message warnings[] = {
    {PARAMS("api_bse: x"),
	C "5: unknown key 'api_bse' in litellm_params; did you mean 'api_base'?\n"},
    {PARAMS("temprature: 1"),
	C "5: unknown key 'temprature' in litellm_params; did you mean 'temperature'?\n"},
    {PARAMS("my_servers_own_parameter: 1"), ""}, {PARAMS("foo: 1"), ""},
    {PARAMS("aws_region_name: x"), ""}, {PARAMS("input_cost_per_image: 1"), ""},
    {ONE "x-anything: 1\n", ""},
    {ONE "modle_list: []\n",
	C "2: unknown key 'modle_list' at the top level; did you mean 'model_list'?\n"},
    {ONE "something: 1\n", C "2: unknown key 'something' at the top level\n"},
    {ONE "router_settings:\n  num_retrys: 1\n",
	C "3: unknown key 'num_retrys' in router_settings; did you mean 'num_retries'?\n"},
    {ONE "general_settings:\n  fallbacks: []\n",
	C "3: unknown key 'fallbacks' in general_settings; it belongs in "
	  "router_settings\n"},
    {ONE "router_settings:\n  master_key: x\n",
	C "3: unknown key 'master_key' in router_settings; it belongs in "
	  "general_settings\n"},
    {ONE "master_key: x\n",
	C "2: unknown key 'master_key' at the top level; it belongs in general_settings\n"},
    {ONE "moonweir_settings: {max_body: 1}\n",
	C "2: unknown key 'max_body' in moonweir_settings; did you mean 'max_body_mb'?\n"},
    {"model_list: [{model_name: m, litellm_parms: {}, litellm_params: {model: "
     "openai/x}}]\n",
	C "1: unknown key 'litellm_parms' in an entry of model_list; did you mean "
	  "'litellm_params'?\n"},
    {"model_list:\n- model_name: m\n  litellm_params: {model: openai/x}\n  model_info: "
     "{base_modle: x, owner: me}\n",
	C "4: unknown key 'base_modle' in model_info; did you mean 'base_model'?\n"},
    {PARAMS("api_key: os.environ/MW_T_UNSET"),
	C "5: api_key is taken from the environment variable MW_T_UNSET, which is not set: "
	  "it counts as not given\n"},
    {PARAMS("extra_headers: {X-K: os.environ/MW_T_UNSET}"),
	C "5: X-K is taken from the environment variable MW_T_UNSET, which is not set: it "
	  "counts as not given\n"},
    {ONE "router_settings: {redis_host: os.environ/MW_T_UNSET}\n", ""}, /* nobody needs it */
    {ONE "router_settings:\n  routing_strategy: usage-based-routing-v2\n",
	C "3: routing_strategy 'usage-based-routing-v2' is not there yet; simple-shuffle "
	  "is used in its place\n"},
    {ONE "policies:\n- {name: x, models: [m, z/*]}\n",
	C "3: models names 'z/*', which fits no model\n"},
    {ONE "router_settings:\n  num_retry: 1\n",
	C "3: unknown key 'num_retry' in router_settings; did you mean 'num_retries'?\n"},
    {ONE "router_settings:\n  fallbacks:\n  - m: [gone]\n",
	C "4: fallback 'gone' of 'm' is no known model\n"},
    {ONE "router_settings:\n  fallbacks:\n  - gone: [m]\n",
	C "4: fallbacks are given for 'gone', which is no known model\n"},
    {ONE "litellm_settings:\n  default_fallbacks: [gone]\n",
	C "3: fallback 'gone' of '*' is no known model\n"},
    {ONE "router_settings:\n  model_group_alias:\n    x: gone\n",
	C "4: model_group_alias: 'x' stands for 'gone', which is no known model\n"},
    {ONE "general_settings:\n  master_key: sk-1234\n",
	C "3: the master key is sk-1234, which everybody knows from LiteLLM's "
	  "documentation: choose another\n"},
    {"model_list:\n- {model_name: m, litellm_params: {model: openai/x}, model_info: {id: "
     "i}}\n"
     "- {model_name: n, litellm_params: {model: openai/x}, model_info: {id: i}}\n",
	C "3: model_info.id 'i' is the id of another deployment too; this one gets an id "
	  "made for it\n"},
    {"router_settings: {ignore_invalid_deployments: true}\n"
     "model_list:\n- {model_name: a, litellm_params: {model: nobody/x}}\n"
     "- {model_name: b, litellm_params: {model: openai/x}}\n",
	C "3: model_name a is left out: nobody is no provider\n"},
    {"model_list:\n- {model_name: m, litellm_params: {model: keyless/x}}\n",
	C "2: model_name m: there is no key\n"},
    {"", "config.yaml: model_list is empty: there is no model to ask for\n"},
    {"model_list: []\n", "config.yaml: model_list is empty: there is no model to ask for\n"},
    {"x-p: &p {model: openai/x, api_bse: 1}\n"
     "model_list:\n- {model_name: a, litellm_params: *p}\n- {model_name: b, "
     "litellm_params: *p}\n",
	C "1: unknown key 'api_bse' in litellm_params; did you mean 'api_base'?\n"}, /* once */
};

static void warnings_name_the_line_and_what_is_known(void **state)
{
	struct fixture *f = *state;
	for (size_t i = 0; i < MW_LEN(warnings); i++) {
		struct mw_settings *s = parse(f, warnings[i].yaml);
		if (!s)
			fail_msg("%s\nis refused: %s", warnings[i].yaml, f->err.text);
		if (strcmp(f->warnings, warnings[i].says) != 0)
			fail_msg("%s\nwarns '%s', expected '%s'", warnings[i].yaml, f->warnings,
			    warnings[i].says);
		mw_settings_unref(s);
	}
}

/* ---- faults ---------------------------------------------------------------------------------- */

static const struct message faults[] = {
    {"- a\n", C "1: the file is a list, which is not a map with model_list and the like"},
    {ONE "router_settings:\n  num_retries: many\n",
	C "3: num_retries is \"many\", which is not a whole number from 0 to 100"},
    {ONE "router_settings:\n  num_retries: -1\n",
	C "3: num_retries is -1, which is not a whole number from 0 to 100"},
    {ONE "router_settings:\n  num_retries: 1.5\n",
	C "3: num_retries is 1.5, which is not a whole number from 0 to 100"},
    {ONE "router_settings:\n  num_retries: [1]\n",
	C "3: num_retries is a list, which is not a whole number from 0 to 100"},
    {ONE "router_settings:\n  timeout: 0\n",
	C "3: timeout is 0, which is not a number of seconds from 0.001 to 86400"},
    {ONE "router_settings:\n  cooldown_time: soon\n",
	C "3: cooldown_time is \"soon\", which is not a number of seconds from 0 to 86400"},
    {ONE "router_settings:\n  disable_cooldowns: maybe\n",
	C "3: disable_cooldowns is \"maybe\", which is not true or false"},
    {ONE "litellm_settings:\n  num_retries: many\n",
	C "3: num_retries is \"many\", which is not a whole number from 0 to 100"},
    {ONE "router_settings: 3\n", C "2: router_settings is 3, which is not a map"},
    {"include: [os.environ/MW_T_UNSET]\n",
	C "1: an entry of include is nothing, which is not a file"},
    {"model_list: {a: b}\n", C "1: model_list is a map, which is not a list"},
    {"model_list:\n- gpt-4o\n", C "2: an entry of model_list is a string, which is not a map"},
    {"model_list:\n- litellm_params: {model: openai/x}\n",
	C "2: this entry of model_list has no model_name"},
    {"model_list:\n- model_name: m\n",
	C "2: model_name m: litellm_params.model is missing, such as openai/gpt-4o"},
    {"model_list:\n- model_name: m\n  litellm_params:\n    api_key: x\n",
	C "4: model_name m: litellm_params.model is missing, such as openai/gpt-4o"},
    {PARAMS("api_key: [x]"), C "5: api_key is a list, which is not a string"},
    {PARAMS("api_base: localhost:8000/v1"),
	C "5: api_base is \"localhost:8000/v1\", which is not an address that begins with "
	  "http:// or https://"},
    {PARAMS("api_base: http://"),
	C "5: api_base is \"http://\", which is not an address that begins with http:// or "
	  "https://"},
    {PARAMS("api_base: sk-a-key-in-the-wrong-place"),
	C "5: api_base is a string, which is not an address that begins with http:// or https://"},
    {PARAMS("weight: -2"), C "5: weight is -2, which is not a number from 0 to 1000000000"},
    {PARAMS("rpm: os.environ/MW_T_SECRET"),
	C "5: rpm is taken from the environment variable MW_T_SECRET, whose value is not a "
	  "whole number from 0 "
	  "to 4294967295"},
    {PARAMS("input_cost_per_token: cheap"),
	C "5: input_cost_per_token is \"cheap\", which is not a price of a token in USD, "
	  "such as 2.5e-06"},
    {PARAMS("litellm_credential_name: gone"),
	C "5: litellm_credential_name is 'gone', which no entry of credential_list has"},
    {"model_list:\n- model_name: m\n  litellm_params:\n    model: nobody/x\n",
	C "4: model_name m: nobody is no provider"},
    {"model_list:\n- {model_name: 'a*b*', litellm_params: {model: openai/x}}\n",
	C "2: model_name a*b*: a name can hold one '*', not more"},
    {"model_list:\n- {model_name: m, litellm_params: {model: openai/*}}\n",
	C "2: model_name m: litellm_params.model is 'openai/*', but there is no '*' in "
	  "model_name to fill it from"},
    {"model_list:\n- {model_name: '*m', litellm_params: {model: '*'}}\n",
	C "2: model_name *m: litellm_params.model is '*', so model_name must end with '*'"},
    {ONE "general_settings:\n  master_key: os.environ/MW_T_UNSET\n",
	C "3: master_key is taken from the environment variable MW_T_UNSET, which is not "
	  "set or empty; set it, or "
	  "leave master_key out to ask for no key"},
    {ONE "general_settings:\n  master_key: ''\n",
	C "3: master_key is empty; leave it out to ask for no key"},
    {ONE "router_settings:\n  fallbacks: [[a]]\n",
	C "3: an entry of fallbacks is not a map of a model to a list, such as {gpt-4o: "
	  "[claude]}"},
    {ONE "router_settings:\n  fallbacks: [{m: n}]\n",
	C "3: an entry of fallbacks is not a map of a model to a list, such as {gpt-4o: "
	  "[claude]}"},
    {ONE "router_settings:\n  fallbacks: [{m: [{a: b}]}]\n",
	C "3: a fallback of 'm' is a map, which is not a model's name"},
    {ONE "router_settings:\n  model_group_alias: {x: [m]}\n",
	C "3: model_group_alias: x is a list; it must be a model's name, or a map with "
	  "`model` and `hidden`"},
    {ONE "router_settings:\n  routing_strategy: random\n",
	C "3: routing_strategy is \"random\", which is none of simple-shuffle, least-busy, "
	  "latency-based-routing; a "
	  "strategy of your own goes into `policies:`"},
    {ONE "policies:\n- {params: {}}\n",
	C "3: a policy needs either `path:` (a file or folder) or `name:` (one that is "
	  "built in), and has neither"},
    {ONE "policies:\n- {path: a.lua, name: b}\n",
	C "3: a policy needs either `path:` (a file or folder) or `name:` (one that is "
	  "built in), not both"},
    {ONE "policies:\n- [3]\n",
	C "3: an entry of policies is a list, which is neither a map nor a string"},
    {ONE "policies:\n- {name: x, params: [1]}\n", C "3: params is a list, which is not a map"},
    {ONE "policies:\n- {name: x, models: [mm]}\n",
	C "3: models names 'mm', which is no model_name; the nearest is 'm'"},
    {ONE "policies:\n- {name: x, models: []}\n",
	C "3: models is an empty list; leave it out to bind the policy to all models"},
    {ONE "environment_variables:\n  X: [1]\n",
	C "3: the environment variable X is a list, which is not a string"},
    {ONE "moonweir_settings:\n  policy_memory_mb: 0\n",
	C "3: policy_memory_mb is 0, which is not a number from 1 to 1024"},
};

static void faults_say_what_was_found_and_what_is_allowed(void **state)
{
	struct fixture *f = *state;
	setenv("MW_T_SECRET", "sk-very-secret", 1);
	for (size_t i = 0; i < MW_LEN(faults); i++) {
		struct mw_settings *s = parse(f, faults[i].yaml);
		if (s)
			fail_msg("%s\nis taken", faults[i].yaml);
		assert_int_equal(f->err.code, MW_ERR_SETTINGS);
		if (strcmp(f->err.text, faults[i].says) != 0)
			fail_msg("%s\nsays '%s', expected '%s'", faults[i].yaml, f->err.text,
			    faults[i].says);
	}
	unsetenv("MW_T_SECRET");
}

static void several_faults_are_told_together(void **state)
{
	struct fixture *f = *state;
	assert_null(
	    parse(f, ONE "router_settings:\n  num_retries: a\n  timeout: b\n  cooldown_time: c\n"));
	assert_string_equal(f->err.text,
	    C "3: num_retries is \"a\", which is not a whole number from 0 to 100\n" C
	      "4: timeout is \"b\", which is not a number of seconds from 0.001 to 86400\n" C
	      "5: cooldown_time is \"c\", which is not a number of seconds from 0 to 86400");
	/* what comes after a fault is looked at too */
	assert_null(parse(f, "model_list:\n- {model_name: m, litellm_params: {model: nobody/x}}\n"
			     "router_settings: {fallbacks: [{m: n}]}\npolicies:\n- {models: m}\n"));
	assert_string_equal(f->err.text,
	    C "2: model_name m: nobody is no provider\n" C
	      "3: an entry of fallbacks is not a map of a model to a list, such as {gpt-4o: "
	      "[claude]}\n" C "5: a policy needs either `path:` (a file or folder) or `name:` (one "
	      "that is built in), and has neither");
	/* more than there is room for are told in the log */
	char yaml[8192] = "model_list:\n";
	for (int i = 0; i < 40; i++)
		snprintf(yaml + strlen(yaml), sizeof(yaml) - strlen(yaml),
		    "- {model_name: m%d, litellm_params: {model: openai/x, rpm: wrong}}\n", i);
	assert_null(parse(f, yaml));
	assert_string_equal(f->err.text, "config.yaml: 40 faults, all told above");
	assert_null(mw_settings_parse(MW_STR("- a\n"), "x", &f->world, NULL));
}

static void what_may_be_a_secret_is_not_told(void **state)
{
	struct fixture *f = *state;
	static const char *const cases[] = {
	    PARAMS("extra_headers: sk-secret"),
	    PARAMS("extra_body: sk-secret"),
	    PARAMS("api_base: user:sk-secret@host"),
	    PARAMS("api_key: *sk-secret"),
	    PARAMS("api_key: !sk-secret x"),
	    PARAMS("api_key: !sk-secret"),
	    PARAMS("api_key: &a [*sk-secret]"),
	    "model_list: [sk-secret]\n",
	    "model_list: [{model_name: m, litellm_params: sk-secret}]\n",
	    "credential_list:\n- {credential_name: c, credential_values: sk-secret}\n",
	    "general_settings: sk-secret\n",
	    "environment_variables: sk-secret\n",
	    "environment_variables: {K: [sk-secret]}\n",
	};
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		assert_null(parse(f, cases[i]));
		if (strstr(f->err.text, "secret") || strstr(f->warnings, "secret"))
			fail_msg("%s\nsays %s%s", cases[i], f->err.text, f->warnings);
	}
}

static void a_fault_is_one_line_whatever_the_file_holds(void **state)
{
	struct fixture *f = *state;
	assert_null(parse(f, ONE "router_settings: {routing_strategy: \"a\\nb\\e[31m\"}\n"));
	assert_non_null(strstr(f->err.text, "routing_strategy is \"a?b?[31m\", which is none"));
	char yaml[4096] = ONE "router_settings:\n  routing_strategy: ";
	memset(yaml + strlen(yaml), 'x', 2000);
	assert_null(parse(f, yaml));
	assert_true(strlen(f->err.text) < 300);
}

static void a_refused_file_leaves_no_trace(void **state)
{
	struct fixture *f = *state;
	assert_null(parse(f, ONE "router_settings: {fallbacks: 3}\n"));
	struct mw_buf b;
	mw_buf_init(&b, 1u << 20);
	mw_metrics_write(f->world.metrics, &b);
	mw_buf_addc(&b, '\0');
	assert_null(strstr(b.p, "model=\"m\""));
	mw_buf_deinit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(warnings_name_the_line_and_what_is_known),
	    TEST(faults_say_what_was_found_and_what_is_allowed),
	    TEST(several_faults_are_told_together),
	    TEST(what_may_be_a_secret_is_not_told),
	    TEST(a_fault_is_one_line_whatever_the_file_holds),
	    TEST(a_refused_file_leaves_no_trace),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
