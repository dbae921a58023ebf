-- One row for each device in a patient: what it is, when it went in and came out, where, and by which operator.
-- The operator is an ordinal within the organisation, in the order of first cases; nobody's token is given on.
with happened as (
    select *, earliest(start_date) as low, latest(start_date) as high
    from device_exposure
    where coalesce(status, '') not in ('not-done', 'preparation', 'intended', 'entered-in-error')
      and device_id is not null
), started as (
    -- An implantation says more than a use; of several records of one kind the earliest stands.
    select * from happened where coalesce(action, '') <> 'explanted'
    qualify row_number() over (
        partition by organisation_id, source_system, patient_id, device_id
        order by case action when 'implanted' then 0 else 1 end, low nulls last, resource_id, row_index
    ) = 1
), ended as (
    select started.organisation_id, started.source_system, started.patient_id, started.device_id,
        arg_min(happened.start_date, (happened.low, happened.resource_id)) as explant_date
    from started join happened using (organisation_id, source_system, patient_id, device_id)
    where happened.action = 'explanted' and (started.low is null or happened.high >= started.low)
    group by all
), what as (
    select organisation_id, source_system, device_id, any_value(udi_di) as udi_di,
        any_value(udi_issuer) as udi_issuer, any_value(model_code) as model_code,
        min(product_system) as product_system, arg_min(product_code, product_system) as product_code
    from device group by all
), supplied as (
    select organisation_id, source_system, device_id, min(permit_id) as permit_id
    from product_use where device_id is not null and not coalesce(returned, false) group by all
), operators as (
    select organisation_id, source_system, operator_id,
        dense_rank() over (partition by organisation_id order by min(low) nulls last, source_system, operator_id) as ordinal
    from happened where operator_id is not null group by organisation_id, source_system, operator_id
)
select started.patient_id, started.organisation_id, started.device_id, udi_di, udi_issuer, product_system, product_code,
    model_code, started.action as start_action, started.start_date, ended.explant_date, started.body_site_code,
    started.reason_code, permit_id, operators.ordinal as operator_ordinal,
    case when started.operator_id is not null then row_number() over (
        partition by started.organisation_id, started.source_system, started.operator_id,
            coalesce(udi_di, product_code, model_code)
        order by started.low nulls last, started.resource_id, started.row_index
    ) end as operator_case_number
from started
left join ended using (organisation_id, source_system, patient_id, device_id)
left join what using (organisation_id, source_system, device_id)
left join supplied using (organisation_id, source_system, device_id)
left join operators using (organisation_id, source_system, operator_id)
order by started.organisation_id, started.patient_id, started.low nulls last, started.device_id
