// SPDX-License-Identifier: Apache-2.0
/* All that is wrong, in one list; and each of it once in the log. */
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "user/agent/agent_state.h"
#include "user/log.h"

static int text_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *finding_text(const struct finding *finding)
{
	return memory_printf("%s\n%s\n%s\n%s\n%s\n%s\n%s", finding->kind, finding->name_space,
			     finding->name, finding->origin, finding->field, finding->reason,
			     finding->message);
}

static void log_finding(const struct finding *finding)
{
	log_warn("finding", "reason", finding->reason, "kind", finding->kind, "object",
		 finding->name_space[0] ?
			 log_format_value("%s/%s", finding->name_space, finding->name) :
			 finding->name,
		 "file", finding->origin, "field", finding->field, "message", finding->message,
		 "consequence", finding->consequence);
}

static void texts_free(char **texts, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		free(texts[i]);
	free(texts);
}

static void log_news(struct agent *agent)
{
	size_t count = agent->findings.count, i;
	char **texts = memory_alloc(count * sizeof(*texts));

	for (i = 0; i < count; i++) {
		texts[i] = finding_text(&agent->findings.items[i]);
		if (!agent->reported_count ||
		    !bsearch(&texts[i], agent->reported, agent->reported_count, sizeof(*texts),
			     text_compare))
			log_finding(&agent->findings.items[i]);
	}
	if (count)
		qsort(texts, count, sizeof(*texts), text_compare);
	texts_free(agent->reported, agent->reported_count);
	agent->reported = texts;
	agent->reported_count = count;
}

void agent_collect_findings(struct agent *agent)
{
	findings_clear(&agent->findings);
	findings_append(&agent->findings, agent->source->ops->findings(agent->source));
	findings_append(&agent->findings, &agent->compiled);
	missing_report(agent, &agent->findings);
	strangers_report(agent, &agent->findings);
	if (agent->apply_error[0])
		finding_add_file(&agent->findings, "", "ApplyFailed",
				 "What could not be written stays as it was; it is tried again.",
				 "%s", agent->apply_error);
	if (agent->attach_error[0])
		finding_add_file(&agent->findings, "", "AttachFailed",
				 "Some pods of this node are not governed; it is tried again.",
				 "%s", agent->attach_error);
	findings_sort(&agent->findings);
	log_news(agent);
	if (agent->source->ops->reported)
		agent->source->ops->reported(agent->source);
}

void agent_report(void *context, struct source_report *report)
{
	const struct agent *agent = context;

	*report = (struct source_report){
		.not_ready = agent_not_ready_reason(agent),
		.pods = agent->desired.local_count,
		.pods_attached = agent->pods_attached,
		.findings = &agent->findings,
		.store = agent->store,
	};
}

void agent_free_findings(struct agent *agent)
{
	findings_clear(&agent->findings);
	findings_clear(&agent->compiled);
	missing_clear(agent);
	strangers_clear(agent);
	texts_free(agent->reported, agent->reported_count);
	agent->reported = NULL;
	agent->reported_count = 0;
}
