/* SPDX-License-Identifier: MIT
 *
 * Answers to clients: the headers that explain an answer, and errors in the client's dialect. Every
 * answer of the gate leaves through here.
 */
#ifndef MW_REPLY_H
#define MW_REPLY_H

#include "gate/walk.h"

/* The body of an error of ours, in the dialect that the path speaks. */
void mw_reply_err_body(struct mw_str path, const struct mw_err *err, struct mw_buf *out);

/* Answers a request that is no call (or not yet one) and is done with it. */
void mw_reply_plain(
    struct mw_http_req *req, int status, struct mw_str content_type, struct mw_str body);
void mw_reply_err(struct mw_http_req *req, const struct mw_err *err);

/* Sets the fault of a walk from an error of ours, or from a policy's decision to reject or fail it. */
void mw_reply_set_fault(struct mw_walk *walk, const struct mw_err *err);
void mw_reply_set_rejection(struct mw_walk *walk, const struct mw_decision *d);

/* Finish the answer of a walk; walk->req is NULL afterwards. */
void mw_reply_fault(
    struct mw_walk *walk); /* walk->fault, as an error answer or inside a begun stream */
void mw_reply_whole(struct mw_walk *walk); /* walk->reply, 200 */

/* A stream: begin with the head, then hand over what the reader has ready, then end. */
void mw_reply_begin_stream(struct mw_walk *walk);
void mw_reply_end_stream(struct mw_walk *walk);

#endif
