/* SPDX-License-Identifier: MIT
 *
 * What a plain (unquoted) YAML scalar is. Only for base/yaml.
 */
#ifndef MW_YAML_PLAIN_H
#define MW_YAML_PLAIN_H

#include "base/yaml.h"

/* Sets kind, boolean and number of a scalar by its text, which a NUL follows, as base/yaml.h says. */
void mw_yaml_plain_resolve(struct mw_yaml *scalar);

#endif
