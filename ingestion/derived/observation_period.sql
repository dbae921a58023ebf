-- From the first recorded contact of a patient at an organisation to the last, or to death.
-- A date without a day says least here: it opens a period on its latest day and is a last contact on its earliest, so
-- that no day is counted as observed which the record does not show. Nothing after a death is a contact.
with death_row as (
    select row.organisation_id, row.patient_id, earliest(row.effective_date) as low, latest(row.effective_date) as high
    from outcome_event as row
    semi join death using (code_system, code, value_code)
    where row.effective_date is not null
      and coalesce(row.status, '') not in ('registered', 'cancelled', 'entered-in-error')
      and coalesce(row.adjudication_code, '') <> 'refuted'
), died as (
    select organisation_id, patient_id, min(high) as high
    from death_row where high is not null group by all
), death_day as (
    select died.organisation_id, died.patient_id, died.high, max(death_row.low) as low
    from died join death_row using (organisation_id, patient_id)
    where death_row.low <= died.high group by all
), counted as (
    select contact.organisation_id, contact.patient_id, contact.source,
        earliest(contact.written) as low, latest(contact.written) as high
    from contact left join death_day using (organisation_id, patient_id)
    where earliest(contact.written) is not null
      and (death_day.high is null or earliest(contact.written) <= death_day.high)
), spanned as (
    select organisation_id, patient_id, min(high) as opened, max(low) as last_contact,
        arg_min(source, (-epoch(low), source)) as last_source
    from counted group by all
), joined as (
    select coalesce(spanned.organisation_id, death_day.organisation_id) as organisation_id,
        coalesce(spanned.patient_id, death_day.patient_id) as patient_id,
        greatest(last_contact, death_day.low) as last_day, opened, last_contact, last_source
    from spanned full join death_day
      on spanned.organisation_id = death_day.organisation_id and spanned.patient_id = death_day.patient_id
)
select patient_id, organisation_id,
    strftime(least(opened, last_day), '%Y-%m-%d') as first_date,
    strftime(last_day, '%Y-%m-%d') as last_date,
    strftime(last_contact, '%Y-%m-%d') as last_contact_date,
    last_source as last_contact_source
from joined
order by organisation_id, patient_id
